// A server on node's ws for our clients: echoes, and closes with 4001 at /close. Prints its port.
"use strict";
const { WebSocketServer } = require("ws");

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  perMessageDeflate: { threshold: 0 },
  handleProtocols: (offered) => (offered.has("chat") ? "chat" : false),
});
server.on("connection", (socket, request) => {
  if (request.url === "/close") {
    socket.send("last words");
    socket.close(4001, "enough");
    return;
  }
  socket.on("message", (data, binary) => socket.send(data, { binary }));
});
server.on("listening", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
