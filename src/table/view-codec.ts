/** The part of `record-codec.ts` that is for one view: its choices, its variants, and what SRV, PTR and `_why` say. */

import { readUint16, readUint32, writeUint16, writeUint32 } from "../wire/append.ts";
import { type HostName, hostNameOctets } from "../wire/host-name.ts";
import { readHostName } from "./host-name-octets.ts";
import { CLIENT_CLASSES, type ClientClass, type HostPort, type HostView } from "./host-record.ts";
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
export function packView(view: HostView): Uint8Array {
  const variants = view.variants.map(packVariant);
  const extras = hasExtras(view) ? packExtras(view) : null;
  const extrasAt = variants.reduce<number>((at, variant) => at + variant.length, ViewField.FIRST_VARIANT);
  const octets = new Uint8Array(extrasAt + (extras?.length ?? 0));
  writeUint32(octets, ViewField.LENGTH, octets.length);
  octets[ViewField.VARIANT_COUNT] = variants.length;
  for (const [index, clientClass] of CLIENT_CLASSES.entries())
    octets[ViewField.CHOICES + index] = view.choices[clientClass] ?? NO_VARIANT;
  let at: number = ViewField.FIRST_VARIANT;
  for (const variant of variants) {
    octets.set(variant, at);
    at += variant.length;
  }
  if (extras !== null) {
    writeUint32(octets, ViewField.EXTRAS, extrasAt);
    octets.set(extras, extrasAt);
  }
  return octets;
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

function packExtras({ ports, pointer, why }: Extras): Uint8Array {
  const pointerName = pointer === undefined ? new Uint8Array() : hostNameOctets(pointer);
  const whyText = Buffer.from(why ?? "");
  const head = new Uint8Array(ExtrasField.BODY);
  writeUint16(head, ExtrasField.PORT_COUNT, ports.length);
  writeUint16(head, ExtrasField.WHY_LENGTH, whyText.length);
  head[ExtrasField.POINTER_LENGTH] = pointerName.length;
  head[ExtrasField.HAS_WHY] = why === undefined ? 0 : 1;
  return Buffer.concat([head, pointerName, whyText, ...ports.map(packPort)]);
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

function packPort(port: HostPort): Uint8Array {
  const name = Buffer.from(port.name, "latin1").subarray(0, MAX_PORT_NAME_OCTETS);
  const head = new Uint8Array(PortField.NAME);
  const targets = port.targets.map(packTarget);
  const octets = Buffer.concat([head, name, ...targets]);
  writeUint32(octets, PortField.LENGTH, octets.length);
  octets[PortField.TRANSPORT] = PortTransport[port.transport];
  octets[PortField.NAME_LENGTH] = name.length;
  writeUint16(octets, PortField.TARGET_COUNT, targets.length);
  return octets;
}

/** What a length octet can say; a label is shorter. */
const MAX_PORT_NAME_OCTETS = 255;

function packTarget({ port, target, weight }: HostPort["targets"][number]): Uint8Array {
  const name = target === null ? new Uint8Array() : hostNameOctets(target);
  const octets = new Uint8Array(TargetField.NAME + name.length);
  writeUint16(octets, TargetField.PORT, port);
  writeUint16(octets, TargetField.WEIGHT, weight);
  octets[TargetField.NAME_LENGTH] = name.length;
  octets.set(name, TargetField.NAME);
  return octets;
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
