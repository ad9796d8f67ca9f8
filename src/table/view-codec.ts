/** The part of `record-codec.ts` that is for one view: its choices, its variants, and what SRV, PTR and `_why` say. */

import { readUint16, readUint32, writeUint16, writeUint32 } from "../wire/append.ts";
import { type HostName, writeHostName } from "../wire/host-name.ts";
import { readHostName } from "./host-name-octets.ts";
import { CLIENT_CLASSES, type ClientClass, type HostPort, type HostView } from "./host-record.ts";
import type { OctetWriter } from "./octet-writer.ts";
import {
  ExtrasField,
  NO_VARIANT,
  PortField,
  PortTransport,
  TargetField,
  VariantField,
  ViewField,
} from "./record-layout.ts";
import { packVariant, unpackVariant } from "./variant-codec.ts";

/** Who sees it is said elsewhere in the record. */
export function packView(view: HostView, out: OctetWriter): void {
  const at = out.grow(ViewField.FIRST_VARIANT);
  for (const variant of view.variants) packVariant(variant, out);
  const extras = out.length - at;
  if (hasExtras(view)) packExtras(view, out);
  const { octets } = out;
  writeUint32(octets, at + ViewField.LENGTH, out.length - at);
  octets[at + ViewField.VARIANT_COUNT] = view.variants.length;
  for (let index = 0; index < CLIENT_CLASSES.length; index += 1)
    octets[at + ViewField.CHOICES + index] = view.choices[CLIENT_CLASSES[index]!] ?? NO_VARIANT;
  if (out.length - at > extras) writeUint32(octets, at + ViewField.EXTRAS, extras);
}

/** The view that begins at offset `at`: equal to the one that was packed. */
export function unpackView(octets: Uint8Array, at: number, visibleTo: HostView["visibleTo"]): HostView {
  let variantAt = at + ViewField.FIRST_VARIANT;
  const variants = Array.from({ length: octets[at + ViewField.VARIANT_COUNT]! }, () => {
    const variant = unpackVariant(octets, variantAt);
    variantAt += readUint32(octets, variantAt + VariantField.LENGTH);
    return variant;
  });
  const choices = Object.fromEntries(
    CLIENT_CLASSES.map((clientClass, index) => {
      const choice = octets[at + ViewField.CHOICES + index]!;
      return [clientClass, choice === NO_VARIANT ? null : choice];
    }),
  ) as Record<ClientClass, number | null>;
  const extras = readUint32(octets, at + ViewField.EXTRAS);
  return {
    visibleTo,
    variants,
    choices,
    ...(extras === 0 ? { ports: [] } : unpackExtras(octets, at + extras)),
  };
}

type Extras = Pick<HostView, "ports" | "pointer" | "why">;

function hasExtras({ ports, pointer, why }: Extras): boolean {
  return ports.length > 0 || pointer !== undefined || why !== undefined;
}

function packExtras({ ports, pointer, why }: Extras, out: OctetWriter): void {
  const at = out.grow(ExtrasField.BODY);
  if (pointer !== undefined) packName(pointer, out);
  const pointerLength = out.length - at - ExtrasField.BODY;
  if (why !== undefined) out.append(Buffer.from(why));
  writeUint16(out.octets, at + ExtrasField.PORT_COUNT, ports.length);
  writeUint16(out.octets, at + ExtrasField.WHY_LENGTH, out.length - at - ExtrasField.BODY - pointerLength);
  out.octets[at + ExtrasField.POINTER_LENGTH] = pointerLength;
  out.octets[at + ExtrasField.HAS_WHY] = why === undefined ? 0 : 1;
  for (const port of ports) packPort(port, out);
}

function packName(name: HostName, out: OctetWriter): void {
  const at = out.grow(name.length + 2);
  writeHostName(out.octets, at, name);
}

function unpackExtras(octets: Uint8Array, at: number): Extras {
  const pointerLength = octets[at + ExtrasField.POINTER_LENGTH]!;
  const whyAt = at + ExtrasField.BODY + pointerLength;
  let portAt = whyAt + readUint16(octets, at + ExtrasField.WHY_LENGTH);
  const why = Buffer.from(octets.subarray(whyAt, portAt)).toString();
  const ports = Array.from({ length: readUint16(octets, at + ExtrasField.PORT_COUNT) }, () => {
    const port = unpackPort(octets, portAt);
    portAt += readUint32(octets, portAt + PortField.LENGTH);
    return port;
  });
  return {
    ports,
    ...(pointerLength > 0 && { pointer: readHostName(octets, at + ExtrasField.BODY) }),
    ...(octets[at + ExtrasField.HAS_WHY] === 1 && { why }),
  };
}

function packPort({ name, transport, targets }: HostPort, out: OctetWriter): void {
  const at = out.grow(PortField.NAME);
  const nameLength = Math.min(name.length, MAX_PORT_NAME_OCTETS);
  const nameAt = out.grow(nameLength);
  for (let index = 0; index < nameLength; index += 1) out.octets[nameAt + index] = name.charCodeAt(index);
  for (const target of targets) packTarget(target, out);
  const { octets } = out;
  writeUint32(octets, at + PortField.LENGTH, out.length - at);
  octets[at + PortField.TRANSPORT] = PortTransport[transport];
  octets[at + PortField.NAME_LENGTH] = nameLength;
  writeUint16(octets, at + PortField.TARGET_COUNT, targets.length);
}

/** What a length octet can say; a label is shorter. */
const MAX_PORT_NAME_OCTETS = 255;

function packTarget({ port, target, weight }: HostPort["targets"][number], out: OctetWriter): void {
  const at = out.grow(TargetField.NAME);
  writeUint16(out.octets, at + TargetField.PORT, port);
  writeUint16(out.octets, at + TargetField.WEIGHT, weight);
  if (target === null) return;
  out.octets[at + TargetField.NAME_LENGTH] = target.length + 2;
  packName(target, out);
}

function unpackPort(octets: Uint8Array, at: number): HostPort {
  const nameAt = at + PortField.NAME;
  let targetAt = nameAt + octets[at + PortField.NAME_LENGTH]!;
  const name = Buffer.from(octets.subarray(nameAt, targetAt)).toString("latin1");
  const targets = Array.from({ length: readUint16(octets, at + PortField.TARGET_COUNT) }, () => {
    const nameLength = octets[targetAt + TargetField.NAME_LENGTH]!;
    const target: HostName | null =
      nameLength === 0 ? null : readHostName(octets, targetAt + TargetField.NAME);
    const read = {
      port: readUint16(octets, targetAt + TargetField.PORT),
      target,
      weight: readUint16(octets, targetAt + TargetField.WEIGHT),
    };
    targetAt += TargetField.NAME + nameLength;
    return read;
  });
  const transport = octets[at + PortField.TRANSPORT] === PortTransport.udp ? "udp" : "tcp";
  return { name, transport, targets };
}
