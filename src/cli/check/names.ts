/** Names as Kubernetes and Istio take them, which is stricter than what DNS can carry. */

/** A label of RFC 1123: letters, digits and `-`, at most 63. Names of ports and namespaces are such. */
export function isLabelName(text: string): boolean {
  return LABEL.test(text);
}

/** A whole name: labels of RFC 1123, the last of them no number; one dot at the end is allowed. */
export function isFullName(text: string): boolean {
  const labels = (text.endsWith(".") ? text.slice(0, -1) : text).split(".");
  return (
    text.length <= MOST_NAME_CHARACTERS && labels.every(isLabelName) && !/^\d+$/.test(labels.at(-1) ?? "")
  );
}

/** The key of a label: a name, or a DNS name, `/` and a name. */
export function isLabelKey(text: string): boolean {
  const slash = text.indexOf("/");
  const prefix = slash === -1 ? undefined : text.slice(0, slash);
  if (prefix !== undefined && (prefix.length > 253 || !prefix.split(".").every(isLabelName))) return false;
  return QUALIFIED.test(text.slice(slash + 1));
}

export function isLabelValue(text: string): boolean {
  return text === "" || QUALIFIED.test(text);
}

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/i;
const QUALIFIED = /^[a-z0-9]([-\w.]{0,61}[a-z0-9])?$/i;
const MOST_NAME_CHARACTERS = 255;
