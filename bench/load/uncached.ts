/** Names whose first label begins so get the TTL 0 from the benches' upstream: no cache keeps them. */
export const UNCACHED = "uncached-";
