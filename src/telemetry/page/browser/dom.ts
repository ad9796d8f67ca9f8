/** Makes and finds elements. All text goes in as text, never as HTML. */

export type Child = Node | string;
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** `undefined` and `false` leave an attribute out, `true` sets it without a value. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children);
  return made;
}

/** An element of index.html. */
export function byId<Made extends HTMLElement>(id: string, type: new () => Made): Made {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`index.html has no ${type.name} #${id}`);
  return found;
}

/** What a list shows: `render` is called again only when `signature` is another one. */
export interface Item {
  readonly key: string;
  readonly signature: string;
  render(): HTMLElement;
}

/** Elements of unchanged items stay as they are, so that focus, selection and open details stay too. */
export function showItems(parent: HTMLElement, items: readonly Item[]): void {
  const before = new Map(Array.from(parent.children, (child) => [keys.get(child)?.key, child]));
  const after = items.map(({ key, signature, render }) => {
    const known = before.get(key);
    if (known !== undefined && keys.get(known)?.signature === signature) return known;
    const made = render();
    keys.set(made, { key, signature });
    return made;
  });
  if (after.length === parent.children.length && after.every((made, at) => parent.children[at] === made))
    return;
  const focused = document.activeElement;
  const path = focused !== null && parent.contains(focused) ? focusPath(parent, focused) : undefined;
  parent.replaceChildren(...after);
  if (path !== undefined) focusAlong(parent, path);
}

const keys = new WeakMap<Element, { readonly key: string; readonly signature: string }>();

interface FocusPath {
  readonly key: string | undefined;
  readonly at: number;
}

const FOCUSABLE = "a[href], button, input, select, summary";

/** Which item has the focus, and which of its controls: it may be made anew. */
function focusPath(parent: HTMLElement, focused: Element): FocusPath | undefined {
  const item = Array.from(parent.children).find((child) => child.contains(focused));
  if (item === undefined) return undefined;
  return { key: keys.get(item)?.key, at: Array.from(item.querySelectorAll(FOCUSABLE)).indexOf(focused) };
}

function focusAlong(parent: HTMLElement, { key, at }: FocusPath): void {
  const item = Array.from(parent.children).find((child) => keys.get(child)?.key === key);
  const control = item?.querySelectorAll<HTMLElement>(FOCUSABLE)[at];
  control?.focus({ preventScroll: true });
}

/** A word of state with its colour; the colour alone says nothing. */
export function mark(tone: "ok" | "warning" | "error" | "idle", text: string): HTMLElement {
  return element("span", { class: `mark mark-${tone}` }, text);
}
