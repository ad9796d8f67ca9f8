/** How a reply goes over the wire: not at all when the client has it, compressed when the client takes that. */

import type { IncomingHttpHeaders } from "node:http";
import { promisify } from "node:util";
import { constants, gzip } from "node:zlib";
import type { HttpReply } from "./http-endpoint.ts";

export interface Transfer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly content: Uint8Array;
}

/** Compresses in a thread of the pool, so that the event loop does not wait. */
export async function transferOf(reply: HttpReply, request: IncomingHttpHeaders): Promise<Transfer> {
  const { status, contentType, headers = {} } = reply;
  const shared = { ...COMMON_HEADERS, ...headers };
  // RFC 9110 13.1.2, 15.4.5: what the client has is current, and 304 repeats the fields it is chosen by.
  if (headers["ETag"] !== undefined && tagsIn(request["if-none-match"]).includes(headers["ETag"])) {
    return { status: 304, headers: shared, content: NOTHING };
  }
  const content = typeof reply.body === "string" ? Buffer.from(reply.body) : reply.body;
  const isCompressed = content.length >= COMPRESSED_FROM_OCTETS && takesGzip(request["accept-encoding"]);
  const sent = isCompressed ? await compress(content, { level: constants.Z_BEST_SPEED }) : content;
  return {
    status,
    headers: {
      ...shared,
      "Content-Type": contentType,
      ...(isCompressed ? { "Content-Encoding": "gzip" } : {}),
      "Content-Length": sent.length,
    },
    content: sent,
  };
}

const COMMON_HEADERS = {
  "Cache-Control": "no-store",
  // No page of another origin may embed what is said here, or have its type guessed.
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
  Vary: "Accept-Encoding",
} as const;

/** Less than this fits into one packet anyway. */
const COMPRESSED_FROM_OCTETS = 1200;

const NOTHING = new Uint8Array();
const compress = promisify(gzip);

function tagsIn(field: string | undefined): readonly string[] {
  return (field ?? "").split(",").map((tag) => tag.trim());
}

/** RFC 9110 12.5.3: a coding of weight 0 is not taken. */
function takesGzip(field: string | string[] | undefined): boolean {
  const codings = String(field ?? "").toLowerCase();
  return codings.split(",").some((coding) => {
    const [name, weight = "q=1"] = coding.split(";").map((part) => part.trim());
    return name === "gzip" && Number(weight.slice(2)) > 0;
  });
}
