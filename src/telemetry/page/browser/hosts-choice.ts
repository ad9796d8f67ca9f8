/** Which hosts are looked at: it stands in the address of the page, so that it is there again after a reload. */

export interface Choice {
  readonly search: string;
  readonly namespace: string;
  readonly state: string;
  readonly page: number;
}

export function readChoice(): Choice {
  const parameters = new URLSearchParams(location.search);
  const page = Number(parameters.get("page") ?? 1) - 1;
  return {
    search: parameters.get("search") ?? "",
    namespace: parameters.get("namespace") ?? "",
    state: parameters.get("state") ?? "",
    page: Number.isSafeInteger(page) && page > 0 ? page : 0,
  };
}

export function writeChoice({ search, namespace, state, page }: Choice): void {
  const all = { search, namespace, state, page: page === 0 ? "" : String(page + 1) };
  const given = new URLSearchParams(Object.entries(all).filter(([, value]) => value !== ""));
  history.replaceState(null, "", `${given.size === 0 ? location.pathname : `?${given}`}${location.hash}`);
}
