// Node's fetch and http.request. Words: the port, and which of these things to do.
'use strict';
const assert = require('node:assert');
const crypto = require('node:crypto');
const http = require('node:http');
const { once } = require('node:events');

const [port, behaviour] = process.argv.slice(2);
const url = (path) => `http://127.0.0.1:${port}${path}`;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const sha1 = (bytes) => crypto.createHash('sha1').update(bytes).digest('hex');

function request(path, options = {}) {
  return http.request(url(path), { agent, ...options });
}

async function text(response) {
  let all = '';
  for await (const piece of response.setEncoding('utf8')) all += piece;
  return all;
}

// The response and its text.
async function answerTo(sent) {
  const [response] = await once(sent, 'response');
  return { response, text: await text(response) };
}

const behaviours = {
  async an_agent_keeps_its_connection() {
    const sockets = new Set();
    for (let number = 0; number < 20; number += 1) {
      const method = ['GET', 'POST', 'DELETE'][number % 3];
      const sent = request(number % 4 ? '/x' : '/none', { method });
      sent.on('socket', (socket) => sockets.add(socket));
      sent.end(method === 'POST' ? 'some' : undefined);
      const { response } = await answerTo(sent);
      assert.ok([200, 204].includes(response.statusCode));
    }
    assert.strictEqual(sockets.size, 1);
  },

  async fetch_streams_an_upload() {
    const pieces = Array.from({ length: 50 }, (_, number) => Buffer.alloc(20_000, number));
    const body = new ReadableStream({
      async pull(controller) {
        const piece = pieces[this.next ?? 0];
        this.next = (this.next ?? 0) + 1;
        if (piece) controller.enqueue(piece);
        else controller.close();
      },
    });
    const response = await fetch(url('/digest'), { method: 'POST', body, duplex: 'half' });
    const told = await response.json();
    assert.strictEqual(told.framing, 'chunked');
    assert.strictEqual(told.bytes, 1_000_000);
    assert.strictEqual(told.sha1, sha1(Buffer.concat(pieces)));
  },

  async fetch_reads_answers_of_every_framing() {
    for (const [path, length] of [['/large', 128 * 64 * 1024], ['/gzip', 100_000], ['/x', 15]]) {
      const response = await fetch(url(path));
      assert.strictEqual((await response.arrayBuffer()).byteLength, length);
    }
    const many = Array.from({ length: 30 }, () => fetch(url('/range')));
    for (const response of await Promise.all(many)) {
      assert.strictEqual((await response.arrayBuffer()).byteLength, 100_000);
    }
  },

  async a_body_is_echoed_while_it_is_sent() {
    const sent = request('/echo', { method: 'POST' });
    sent.flushHeaders();
    const [response] = await once(sent, 'response');
    for (let number = 0; number < 20; number += 1) {
      sent.write(`piece ${number}`);
      const [piece] = await once(response, 'data');
      assert.strictEqual(piece.toString(), `piece ${number}`);
    }
    sent.end();
    response.resume();
    await once(response, 'end');
  },

  async trailers_pass_both_ways() {
    const asking = request('/trailers', { headers: { TE: 'trailers' } });
    asking.end();
    const { response, text: body } = await answerTo(asking);
    assert.strictEqual(body, 'in chunks');
    assert.deepStrictEqual({ ...response.trailers }, { 'x-check': 'sum' });
    const sent = request('/digest', { method: 'POST', headers: { Trailer: 'X-Check' } });
    sent.write('some');
    sent.addTrailers({ 'X-Check': 'mine' });
    sent.end();
    const told = JSON.parse((await answerTo(sent)).text);
    assert.deepStrictEqual(told.trailers, { 'x-check': 'mine' });
  },

  async early_hints_come_before_the_answer() {
    const hints = [];
    const sent = request('/hints');
    sent.on('information', (told) => hints.push([told.statusCode, told.headers.link]));
    sent.end();
    const { text: body } = await answerTo(sent);
    assert.strictEqual(body, 'after the hints');
    assert.deepStrictEqual(hints, [[103, '</style.css>; rel=preload; as=style']]);
  },

  async a_body_is_sent_when_the_origin_says_continue() {
    const headers = { Expect: '100-continue', 'Content-Length': 500_000 };
    const sent = request('/digest', { method: 'PUT', headers });
    sent.flushHeaders();
    await once(sent, 'continue');
    sent.end(Buffer.alloc(500_000, 'x'));
    const told = JSON.parse((await answerTo(sent)).text);
    assert.strictEqual(told.bytes, 500_000);
    const counts = await (await fetch(url('/counts'))).json();
    assert.strictEqual(counts.asked, 1);
  },

  async a_body_that_the_origin_refuses_is_not_waited_for() {
    const headers = { Expect: '100-continue', 'Content-Length': 500_000 };
    const sent = request('/refused', { method: 'PUT', headers });
    sent.flushHeaders();
    const { response, text: body } = await answerTo(sent);
    assert.strictEqual(response.statusCode, 403);
    assert.strictEqual(body, 'not yours');
    sent.on('error', () => {}).destroy();
    assert.strictEqual((await fetch(url('/x'))).status, 200);
  },

  async an_abort_reaches_the_origin() {
    const control = new AbortController();
    const response = await fetch(url('/endless'), { signal: control.signal });
    await response.body.getReader().read();
    control.abort();
    // The test that runs this bounds it in time.
    for (;;) {
      const counts = await (await fetch(url('/counts'))).json();
      if (counts.aborted === 1) return;
      await new Promise((resolve) => { setTimeout(resolve, 5); });
    }
  },
};

behaviours[behaviour]().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
