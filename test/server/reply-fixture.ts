/** What the tests of replies share: one writer, one host, one question, and the reply as the codec reads it. */

import { expect } from "chai";
import type { Random, Transport } from "../../src/runtime.ts";
import { ReplyWriter } from "../../src/server/reply.ts";
import type { HostRecord } from "../../src/table/host-record.ts";
import { NOT_FOUND } from "../../src/table/host-table.ts";
import {
  type PortTransport,
  packRecord,
  portAt,
  variantFor,
  viewFor,
} from "../../src/table/packed-record.ts";
import { HeaderFlag } from "../../src/wire/constants.ts";
import type { Message } from "../../src/wire/message.ts";
import { Query } from "../../src/wire/query.ts";
import { readQuery } from "../../src/wire/read-query.ts";
import { hostName } from "../table/samples.ts";
import { decoded, fixedRandom } from "./fixtures.ts";

export const NOW_MS = 50_000;
export const SERIAL = 7;

export interface Scene {
  readonly writer: ReplyWriter;
  readonly message: Uint8Array;
  readonly query: Query;
  readonly transport: Transport;
  readonly table: Uint8Array;
  readonly view: number;
  readonly variant: number;
}

export interface SceneFields {
  readonly random?: Random;
  readonly transport?: Transport;
  readonly clusterDomain?: string;
}

/** The record lies at 0. */
export function scene(host: HostRecord, message: Uint8Array, fields: SceneFields = {}): Scene {
  const query = new Query();
  readQuery(message, message.length, query);
  const table = packRecord(host);
  const view = viewFor(table, 0, null);
  return {
    writer: new ReplyWriter(
      fields.random ?? fixedRandom(0),
      hostName(fields.clusterDomain ?? "cluster.local"),
    ),
    message,
    query,
    transport: fields.transport ?? "udp",
    table,
    view,
    variant: variantFor(table, view, 0),
  };
}

/** Of a port that the host has. */
export function portOf({ table, view }: Scene, name: string, transport: PortTransport): number {
  const port = portAt(table, view, Buffer.from(name), 0, name.length, transport);
  expect(port).not.to.equal(NOT_FOUND);
  return port;
}

export interface Reply extends Message {
  /** Of the whole message. */
  readonly length: number;
  readonly isTruncated: boolean;
}

/** Checks that TC is what the writer says. */
export function take(writer: ReplyWriter, length: number): Reply {
  const message = decoded(writer.octets.slice(0, length));
  expect((message.flags & HeaderFlag.TC) !== 0).to.equal(writer.isTruncated);
  return { ...message, length, isTruncated: writer.isTruncated };
}
