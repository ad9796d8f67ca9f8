/** Makes equal texts one, so that what many objects repeat (namespaces, nodes, labels) is kept once. */

export class TextPool {
  #texts = new Map<string, string>();

  /** To be passed on: it is bound. */
  readonly share = (text: string): string => {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    // Names of what is long gone go with it; what stays comes back with the next list.
    if (this.#texts.size >= MOST_TEXTS) this.#texts = new Map();
    this.#texts.set(text, text);
    return text;
  };
}

/** More than a cluster has of namespaces and nodes together. */
const MOST_TEXTS = 50_000;
