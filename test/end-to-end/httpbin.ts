/**
 * An HTTP server with the paths of httpbin that the guides ask for: /headers, /get and /status/N. Every other path
 * says which address was reached. Arguments: the ports.
 */

import { createServer, type IncomingMessage } from "node:http";

const ports = process.argv.slice(2).map(Number);
for (const port of ports) {
  const server = createServer((request, response) => {
    const [status, body] = answerTo(request);
    response.writeHead(status, { "content-type": "application/json", server: "httpbin" });
    response.end(body === undefined ? "" : `${JSON.stringify(body, null, 2)}\n`);
  });
  await new Promise<void>((resolve) => server.listen(port, "0.0.0.0", resolve));
}
process.stdout.write("httpbin: listening\n");

function answerTo(request: IncomingMessage): readonly [number, unknown] {
  const path = request.url ?? "/";
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [inCapitals(name), value]),
  );
  const status = /^\/status\/(\d{3})$/.exec(path)?.[1];
  if (status !== undefined) return [Number(status), undefined];
  if (path === "/headers") return [200, { headers }];
  if (path === "/get") {
    const origin = request.socket.remoteAddress;
    return [200, { args: {}, headers, origin, url: `http://${request.headers.host}${path}` }];
  }
  return [200, `Response from Pod IP: ${request.socket.localAddress}`];
}

/** `user-agent` as httpbin shows it: `User-Agent`. */
function inCapitals(name: string): string {
  return name.replaceAll(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
}
