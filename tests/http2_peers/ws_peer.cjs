// A WebSocket server that echoes and clients of it, with npm's `ws`. Each says what it has done, as
// JSON in its last line: frames it has sent by their kind, and how its connections were closed.

const { createRequire } = require('node:module');

const { WebSocket, WebSocketServer } = createRequire(`${process.argv[2]}/`)('ws');
const say = (what) => console.log(JSON.stringify(what));
const frames = { text: 0, binary: 0, continuation: 0, ping: 0, pong: 0 };
const closed = {};
const note = (code) => { closed[code] = (closed[code] ?? 0) + 1; };

// Sends a message in one frame, or in as many as it is asked to.
function send(socket, message, binary, pieces = 1) {
  const length = Math.ceil(message.length / pieces);
  for (let n = 0; n < pieces; n++) {
    const piece = message.subarray(n * length, (n + 1) * length);
    frames[n > 0 ? 'continuation' : binary ? 'binary' : 'text'] += 1;
    socket.send(piece, { binary, fin: n + 1 === pieces });
    // Others' business in the middle of a message (RFC 6455, 5.4).
    if (n + 1 < pieces && n % 3 === 1) ping(socket);
  }
}

function ping(socket) {
  frames.ping += 1;
  socket.ping('anybody there?');
}

function watch(socket) {
  socket.on('ping', () => { frames.pong += 1; });
  socket.on('error', () => {});
  socket.on('close', note);
}

function serve() {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, path: '/', perMessageDeflate: true });
  server.on('connection', (socket) => {
    watch(socket);
    socket.on('message', (message, binary) => {
      const [order, code] = binary ? [] : message.toString().split(' ');
      if (order === 'close') socket.close(Number(code), 'as asked');
      else if (order === 'terminate') socket.terminate();
      else send(socket, message, binary, message.length >= 1 << 20 ? 7 : 1);
    });
  });
  server.on('listening', () => say({ listen: `127.0.0.1:${server.address().port}` }));
  // Until nobody holds the other end any more, and the last connection's end is noted.
  process.stdin.resume();
  process.stdin.on('end', () => server.close(() => { say({ frames, closed }); process.exit(0); }));
}

const opened = (socket) => new Promise((resolve, reject) => {
  socket.on('open', resolve);
  socket.on('error', reject);
});
const heard = (socket, event) => new Promise((resolve) => { socket.once(event, (...what) => resolve(what)); });

async function chat(address, perMessageDeflate, ending) {
  const socket = new WebSocket(`ws://${address}/`, { perMessageDeflate });
  await opened(socket);
  watch(socket);
  for (const length of [0, 1, 125, 126, 65535, 65536, 3 << 20]) {
    for (const binary of [false, true]) {
      const message = Buffer.alloc(length, 'z');
      const echo = heard(socket, 'message');
      send(socket, message, binary, length > 65536 ? 16 : Math.min(length, 2) || 1);
      const [back, kind] = await echo;
      if (!message.equals(back) || kind !== binary) throw new Error(`${length} came back wrong`);
    }
  }
  const pong = heard(socket, 'pong');
  ping(socket);
  await pong;
  const end = heard(socket, 'close');
  ending(socket);
  await end;
}

// Everything else that ends a connection, by whom and with what.
const ENDINGS = [
  (socket) => socket.close(1000),
  (socket) => socket.close(),
  (socket) => socket.close(1001, 'going'),
  (socket) => socket.close(3333),
  (socket) => socket.close(4444, 'r'.repeat(123)),
  (socket) => socket.terminate(),
  (socket) => send(socket, Buffer.from('close 1011'), false),
  (socket) => send(socket, Buffer.from('close 4001'), false),
  (socket) => send(socket, Buffer.from('terminate'), false),
  // No text: the server is to say so with 1007.
  (socket) => send(socket, Buffer.from([0xff]), false),
];

async function call(address) {
  await Promise.all(ENDINGS.flatMap((ending) => [chat(address, false, ending), chat(address, true, ending)]));
  const refused = new WebSocket(`ws://${address}/elsewhere`);
  const [, response] = await heard(refused, 'unexpected-response');
  response.resume();
  await heard(response, 'end');
  say({ frames, closed, refused: response.statusCode });
  process.exit(0);
}

if (process.argv[3] === 'serve') serve(); else call(process.argv[4]);
