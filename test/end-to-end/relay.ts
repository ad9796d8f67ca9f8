/** In the server's pod: a TCP port of its loopback that leads to a socket file, and so out of the pod. */

import { connect, createServer } from "node:net";

const [, , port, path] = process.argv;
const server = createServer((inside) => {
  const outside = connect(path!);
  inside.pipe(outside).pipe(inside);
  inside.on("error", () => outside.destroy());
  outside.on("error", () => inside.destroy());
});
server.listen(Number(port), "127.0.0.1", () => process.stdout.write("relay: listening\n"));
