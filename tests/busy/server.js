'use strict';
// Node's `http` with an event loop that does nothing else while it works on a request.

const fs = require('node:fs');
const http = require('node:http');

// Stops the only thread without using the processor, which the other servers need.
function block(milliseconds) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

function answer(target) {
  const url = new URL(target, 'http://localhost');
  if (url.pathname !== '/work') return 'well\n';
  const id = url.searchParams.get('id');
  fs.appendFileSync(process.env.BUSY_EXECUTED, `${id}\n`);
  block(Number(url.searchParams.get('ms')));
  return `${id}\n`;
}

const server = http.createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    const body = answer(request.url);
    response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': body.length });
    response.end(body);
  });
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
