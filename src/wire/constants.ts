/** The numbers of DNS messages that we name, from the IANA registry "Domain Name System Parameters". */

/** RFC 1035 3.2.2 and later; the types that we treat apart from the rest. */
export const RecordType = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  /** RFC 2535; one that covers type 0 signs the message: SIG(0), RFC 2931. */
  SIG: 24,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  SVCB: 64,
  HTTPS: 65,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;

/** RFC 1035 3.2.4, RFC 2136 (NONE). */
export const RecordClass = { IN: 1, CH: 3, HS: 4, NONE: 254, ANY: 255 } as const;

/** RFC 1035 4.1.1, RFC 2136, RFC 6891 (BADVERS needs the OPT record's upper eight bits), RFC 8945 (NOTAUTH). */
export const Rcode = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  NOTAUTH: 9,
  BADVERS: 16,
} as const;
export type Rcode = (typeof Rcode)[keyof typeof Rcode];

/** RFC 1035 4.1.1, RFC 6895 2.2. */
export const Opcode = { QUERY: 0, IQUERY: 1, STATUS: 2, NOTIFY: 4, UPDATE: 5, DSO: 6 } as const;

/** The bits of the header's second 16-bit word (RFC 1035 4.1.1, RFC 6840 5.7-5.9). */
export const HeaderFlag = {
  QR: 0x8000,
  OPCODE: 0x7800,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  Z: 0x0040,
  AD: 0x0020,
  CD: 0x0010,
  RCODE: 0x000f,
} as const;

/** EDNS option codes (RFC 6891 6.1.2) that we read or write. */
export const EdnsOption = { NSID: 3, COOKIE: 10, KEEPALIVE: 11, EDE: 15 } as const;

/** Extended DNS Errors that we send (RFC 8914 section 4). */
export const ExtendedError = {
  OTHER: 0,
  STALE_ANSWER: 3,
  NOT_READY: 14,
  BLOCKED: 15,
  PROHIBITED: 18,
  NOT_AUTHORITATIVE: 20,
  NO_REACHABLE_AUTHORITY: 22,
  NETWORK_ERROR: 23,
} as const;
export type ExtendedError = (typeof ExtendedError)[keyof typeof ExtendedError];

/** DO in the flags of an OPT record (RFC 3225 3). */
export const DNSSEC_OK = 0x8000;

/** The two top bits that make two octets a compression pointer (RFC 1035 4.1.4). */
export const COMPRESSION_POINTER = 0xc000;
/** Type and class, behind the question's name (RFC 1035 4.1.2). */
export const QUESTION_FIXED_OCTETS = 4;
/** Type, class, TTL and RDLENGTH, behind a record's owner (RFC 1035 4.1.3). */
export const RECORD_FIXED_OCTETS = 10;
/** Code and length, before an EDNS option's data (RFC 6891 6.1.2). */
export const OPTION_FIXED_OCTETS = 4;
/** Octets before the question (RFC 1035 4.1.1). */
export const HEADER_OCTETS = 12;
/** The longest name on the wire, length octets and root label included (RFC 1035 2.3.4). */
export const MAX_NAME_OCTETS = 255;
/** The longest label (RFC 1035 2.3.4). */
export const MAX_LABEL_OCTETS = 63;
/** What a client without EDNS takes over UDP (RFC 1035 2.3.4). */
export const UDP_OCTETS_WITHOUT_EDNS = 512;
/** Our own UDP payload size: fits every path without fragments (DNS flag day 2020). */
export const UDP_OCTETS_WITH_EDNS = 1232;
/** The longest message a TCP length prefix can announce (RFC 1035 4.2.2). */
export const MAX_MESSAGE_OCTETS = 65535;
