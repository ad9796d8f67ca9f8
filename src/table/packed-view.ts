/**
 * Reading what a view says beside addresses: the ports of SRV, the pointer of PTR, the text of `_why`. As in
 * `packed-record.ts`, everything is an offset into the octets that hold the record.
 */

import { readUint16, readUint32 } from "../wire/append.ts";
import { NOT_FOUND } from "./host-table.ts";
import { ExtrasField, PortField, type PortTransport, TargetField, ViewField } from "./record-layout.ts";

/** The port whose name stands in `name` at `from`, without its `_`; NOT_FOUND if the view has none such. */
export function portAt(
  octets: Uint8Array,
  view: number,
  name: Uint8Array,
  from: number,
  nameLength: number,
  transport: PortTransport,
): number {
  const extras = extrasAt(octets, view);
  if (extras === NOT_FOUND) return NOT_FOUND;
  let port = whyAt(octets, view) + whyLength(octets, view);
  for (let left = readUint16(octets, extras + ExtrasField.PORT_COUNT); left > 0; left -= 1) {
    if (octets[port + PortField.TRANSPORT] === transport && isNamed(octets, port, name, from, nameLength))
      return port;
    port += readUint32(octets, port + PortField.LENGTH);
  }
  return NOT_FOUND;
}

export function targetCount(octets: Uint8Array, port: number): number {
  return readUint16(octets, port + PortField.TARGET_COUNT);
}

/** The first of a port's targets. */
export function firstTarget(octets: Uint8Array, port: number): number {
  return port + PortField.NAME + octets[port + PortField.NAME_LENGTH]!;
}

/** The one behind another target. */
export function nextTarget(octets: Uint8Array, target: number): number {
  return target + TargetField.NAME + octets[target + TargetField.NAME_LENGTH]!;
}

export function targetPort(octets: Uint8Array, target: number): number {
  return readUint16(octets, target + TargetField.PORT);
}

export function targetWeight(octets: Uint8Array, target: number): number {
  return readUint16(octets, target + TargetField.WEIGHT);
}

/** Octets of the target's name on the wire; 0: the asked host. */
export function targetNameLength(octets: Uint8Array, target: number): number {
  return octets[target + TargetField.NAME_LENGTH]!;
}

/** Where that name lies. */
export function targetNameAt(target: number): number {
  return target + TargetField.NAME;
}

export function hasPorts(octets: Uint8Array, view: number): boolean {
  const extras = extrasAt(octets, view);
  return extras !== NOT_FOUND && readUint16(octets, extras + ExtrasField.PORT_COUNT) > 0;
}

export function hasPointer(octets: Uint8Array, view: number): boolean {
  return pointerLength(octets, view) > 0;
}

/** Octets of the pointer's name on the wire; 0: none. */
export function pointerLength(octets: Uint8Array, view: number): number {
  const extras = extrasAt(octets, view);
  return extras === NOT_FOUND ? 0 : octets[extras + ExtrasField.POINTER_LENGTH]!;
}

/** Where that name lies. Of a view with a pointer. */
export function pointerAt(octets: Uint8Array, view: number): number {
  return extrasAt(octets, view) + ExtrasField.BODY;
}

export function hasWhy(octets: Uint8Array, view: number): boolean {
  const extras = extrasAt(octets, view);
  return extras !== NOT_FOUND && octets[extras + ExtrasField.HAS_WHY] === 1;
}

/** Octets of the text. */
export function whyLength(octets: Uint8Array, view: number): number {
  const extras = extrasAt(octets, view);
  return extras === NOT_FOUND ? 0 : readUint16(octets, extras + ExtrasField.WHY_LENGTH);
}

/** Where the text lies. Of a view that has one. */
export function whyAt(octets: Uint8Array, view: number): number {
  return pointerAt(octets, view) + pointerLength(octets, view);
}

function extrasAt(octets: Uint8Array, view: number): number {
  const extras = readUint32(octets, view + ViewField.EXTRAS);
  return extras === 0 ? NOT_FOUND : view + extras;
}

function isNamed(octets: Uint8Array, port: number, name: Uint8Array, from: number, length: number): boolean {
  if (octets[port + PortField.NAME_LENGTH] !== length) return false;
  for (let index = 0; index < length; index += 1) {
    if (octets[port + PortField.NAME + index] !== name[from + index]) return false;
  }
  return true;
}
