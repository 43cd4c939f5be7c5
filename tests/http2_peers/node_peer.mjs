// An HTTP/2 server and a client, each of which says what it has done, as JSON in its last line.

import http2 from 'node:http2';
import { Readable } from 'node:stream';

const { constants } = http2;
const say = (what) => console.log(JSON.stringify(what));

const TEXT = [0x81, 2, 104, 105];
const CLOSE = [0x88, 2, 3, 232];
const masked = ([opcode, length, ...payload]) => Buffer.from([opcode, 128 | length, 0, 0, 0, 0, ...payload]);

function serve() {
  const counts = {};
  const ended = {};
  const settings = { headerTableSize: 0, maxConcurrentStreams: 500, enableConnectProtocol: true };
  const server = http2.createServer({ settings });
  server.on('stream', (stream, headers) => {
    const [, action, status] = headers[':path'].split('/');
    stream.on('error', () => {});
    const key = `${action} ${status}`;
    counts[key] = (counts[key] ?? 0) + 1;
    stream.on('close', () => {
      const end = `${action} ${stream.aborted ? 'broken off' : 'finished'}`;
      ended[end] = (ended[end] ?? 0) + 1;
    });
    if (headers[':method'] === 'CONNECT') {
      // A text frame for each that comes, and the close frame back (RFC 8441, 5; RFC 6455, 5.2).
      stream.respond({ ':status': Number(status) });
      stream.on('data', (bytes) => stream.write(Buffer.from(bytes[0] === 0x88 ? CLOSE : TEXT)));
      stream.on('end', () => stream.end());
    } else if (action === 'reset') {
      if (status !== '0') stream.respond({ ':status': Number(status) });
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    } else if (action === 'hold') {
      if (status !== '0') stream.respond({ ':status': Number(status) });
    } else if (action === 'flow') {
      stream.respond({ ':status': Number(status) });
      Readable.from(forever()).pipe(stream);
    } else if (action === 'swallow') {
      stream.resume();
    } else if (action === 'push') {
      stream.pushStream({ ':path': '/style' }, (error, pushed) => {
        if (error) throw error;
        pushed.respond({ ':status': 201 });
        pushed.end('pushed');
      });
      stream.respond({ ':status': Number(status) });
      stream.end('and pushed');
    } else if (action === 'trailers') {
      stream.additionalHeaders({ ':status': 103, link: '</style>' });
      stream.respond({ ':status': Number(status) }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-checksum': '1' }));
      stream.end('x'.repeat(100_000));
    } else {
      stream.respond({ ':status': Number(status), 'x-long': 'y'.repeat(20_000) });
      stream.pipe(stream);
    }
  });
  server.listen(0, '127.0.0.1', () => say({ listen: `127.0.0.1:${server.address().port}` }));
  // Until nobody holds the other end any more.
  process.stdin.resume();
  process.stdin.on('end', () => { say({ counts, ended }); process.exit(0); });
}

function* forever() {
  for (;;) yield Buffer.alloc(10_000, 'f');
}

function once(client, path, body, leave) {
  return new Promise((resolve) => {
    const stream = client.request({ ':path': path, ':method': body === null ? 'GET' : 'POST' });
    let status = 0;
    stream.on('response', (headers) => {
      status = headers[':status'];
      if (leave) stream.close(constants.NGHTTP2_CANCEL);
    });
    stream.on('error', () => {});
    stream.on('close', () => resolve(status));
    stream.resume();
    stream.end(body ?? undefined);
  });
}

function chat(client) {
  return new Promise((resolve) => {
    const stream = client.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat/200' });
    let heard = 0;
    stream.on('response', () => stream.write(masked(TEXT)));
    stream.on('data', () => {
      heard += 1;
      if (heard < 3) stream.write(masked(TEXT));
      else if (heard === 3) stream.write(masked(CLOSE));
      else stream.end();
    });
    stream.on('close', () => resolve(heard));
  });
}

async function call(address) {
  const client = http2.connect(`http://${address}`, { settings: { enablePush: true } });
  client.on('stream', (pushed) => pushed.resume());
  const counts = {};
  const note = (what) => { counts[what] = (counts[what] ?? 0) + 1; };
  await new Promise((resolve) => client.once('remoteSettings', resolve));
  for (let n = 0; n < 3; n++) {
    if (await chat(client) !== 4) throw new Error('the chat ended early');
    note('200 -');
  }
  for (let round = 0; round < 5; round++) {
    const all = [];
    for (const status of [200, 201, 404, 500, 503]) {
      for (let n = 0; n < 6; n++) {
        all.push(once(client, `/echo/${status}`, 'z'.repeat(n * 9999)).then((s) => note(`${s} -`)));
      }
    }
    all.push(once(client, '/trailers/200', null).then((s) => note(`${s} -`)));
    all.push(once(client, '/push/200', null).then((s) => note(`${s} -`)));
    all.push(once(client, '/reset/0', null).then(() => note('503 UR')));
    all.push(once(client, '/hold/202', null, true).then((s) => note(`${s} DC`)));
    await Promise.all(all);
  }
  // Until the other end has seen what was given up.
  await once(client, '/echo/200', '').then((s) => note(`${s} -`));
  client.close(() => { say({ counts }); process.exit(0); });
}

// Finishes exchanges, then has bytes flow both ways without an end, until it is killed.
async function flow(address) {
  const client = http2.connect(`http://${address}`);
  await new Promise((resolve) => client.once('remoteSettings', resolve));
  await Promise.all(Array.from({ length: 100 }, (_, n) => once(client, '/echo/200', 'z'.repeat(n * 99))));
  const flowing = (path, upload) => new Promise((resolve) => {
    const stream = client.request({ ':path': path, ':method': upload ? 'POST' : 'GET' });
    let left = 20;
    const more = () => { left -= 1; if (left === 0) resolve(); };
    if (upload) {
      const body = Readable.from(forever());
      body.on('data', more);
      body.pipe(stream);
    } else {
      stream.on('data', more);
    }
  });
  await Promise.all(Array.from({ length: 60 }, (_, n) =>
    n % 3 === 0 ? flowing('/swallow/0', true) : flowing('/flow/206', false)));
  say({ flowing: 60 });
}

({ serve, call, flow })[process.argv[2]](process.argv[3]);
