/** The SOA of a negative answer, with our names in it (RFC 2308, section 2). */

import { appendSoa, RECORD_HEAD_OCTETS } from "../wire/append.ts";
import { type HostName, hostNameOctets } from "../wire/host-name.ts";

/** The five numbers of a SOA (RFC 1035, section 3.3.13). */
const SOA_NUMBERS_OCTETS = 20;

export class SoaRecord {
  #mname: Uint8Array = new Uint8Array();
  #rname: Uint8Array = new Uint8Array();

  setClusterDomain(clusterDomain: HostName): void {
    this.#mname = hostNameOctets(`serviceentry-dns.${clusterDomain}` as HostName);
    this.#rname = hostNameOctets(`hostmaster.serviceentry-dns.${clusterDomain}` as HostName);
  }

  /** Octets of the whole record. */
  get length(): number {
    return RECORD_HEAD_OCTETS + this.#mname.length + this.#rname.length + SOA_NUMBERS_OCTETS;
  }

  /** `ttlSeconds`: for how long what is denied stays so, MINIMUM too. */
  append(octets: Uint8Array, at: number, ownerOffset: number, ttlSeconds: number, serial: number): number {
    return appendSoa(octets, at, ownerOffset, ttlSeconds, ttlSeconds, serial, this.#mname, this.#rname);
  }
}
