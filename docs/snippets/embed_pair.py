from fasterapi.protocol import Closed, Role, WebSocketConnection

server = WebSocketConnection(Role.SERVER)
client = WebSocketConnection(Role.CLIENT)

client.send_text("hello")
client.close(1000, "done")
events = server.receive_data(client.data_to_send())
assert events == ["hello", Closed(1000, "done")]

server.send_text("hello to you")  # an answer to what came before the Close
assert client.receive_data(server.data_to_send()) == ["hello to you", Closed(1000, "done")]
