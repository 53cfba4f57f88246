// An origin server on Node's http module. Prints its port; the path says what it does.
'use strict';
const crypto = require('node:crypto');
const http = require('node:http');
const zlib = require('node:zlib');

const counts = { asked: 0, aborted: 0 };
const content = Buffer.alloc(100_000, 'The content that ranges are cut from. ');

const answers = {
  // What came: how much, its hash, its framing and its trailers.
  '/digest': (request, response) => {
    const hash = crypto.createHash('sha1');
    let bytes = 0;
    request.on('data', (piece) => { bytes += piece.length; hash.update(piece); });
    request.on('end', () => response.end(JSON.stringify({
      bytes,
      sha1: hash.digest('hex'),
      framing: request.headers['transfer-encoding'] ?? 'length',
      trailers: request.trailers,
    })));
  },
  '/echo': (request, response) => {
    response.flushHeaders();
    request.pipe(response);
  },
  '/trailers': (_, response) => {
    response.writeHead(200, { Trailer: 'X-Check' });
    response.write('in ');
    response.write('chunks');
    response.addTrailers({ 'X-Check': 'sum' });
    response.end();
  },
  '/hints': (_, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' }, () => {
      response.end('after the hints');
    });
  },
  '/large': (_, response) => {
    const piece = Buffer.alloc(64 * 1024, 'x');
    let left = 128;
    const write = () => {
      while (left > 0) {
        left -= 1;
        if (!response.write(piece)) return response.once('drain', write);
      }
      response.end();
    };
    write();
  },
  '/endless': (_, response) => {
    const timer = setInterval(() => response.write('more '), 5);
    response.on('close', () => { clearInterval(timer); counts.aborted += 1; });
  },
  '/counts': (_, response) => response.end(JSON.stringify(counts)),
  '/gzip': (_, response) => {
    response.setHeader('Content-Encoding', 'gzip');
    response.end(zlib.gzipSync(content));
  },
  '/none': (_, response) => response.writeHead(204).end(),
  '/range': (request, response) => {
    response.setHeader('Accept-Ranges', 'bytes');
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    if (!range) return response.end(content);
    const first = Number(range[1]);
    const last = range[2] ? Number(range[2]) : content.length - 1;
    if (first >= content.length) return response.writeHead(416).end();
    response.writeHead(206, { 'Content-Range': `bytes ${first}-${last}/${content.length}` });
    response.end(content.subarray(first, last + 1));
  },
};

function answer(request, response) {
  const found = answers[request.url];
  if (found) return found(request, response);
  response.end('Hello from Node');
}

const server = http.createServer(answer);
// The one event that tells of an `Expect: 100-continue`.
server.on('checkContinue', (request, response) => {
  counts.asked += 1;
  if (request.url === '/refused') {
    response.writeHead(403, { Connection: 'close' });
    response.end('not yours');
    return;
  }
  response.writeContinue();
  answer(request, response);
});
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
