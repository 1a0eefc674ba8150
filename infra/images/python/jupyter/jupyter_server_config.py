# Limit for messages from the browser to a kernel, in proportion to the node's memory, because widgets send files in them.
# Tornado's own limit is 10 MiB, and a longer message closes the socket. A message in transit is in memory several times
# (frame, text, parsed, on its way to the kernel, in the kernel), hence a sixteenth. A person's own configuration overrides this.
import os

SMALLEST, LARGEST, USUAL = 10 << 20, 512 << 20, 128 << 20

c = get_config()  # noqa: F821
memory = os.environ.get("MEM_LIMIT")
limit = min(max(int(memory) // 16, SMALLEST), LARGEST) if memory else USUAL
c.ServerApp.tornado_settings = {"websocket_max_message_size": limit}
