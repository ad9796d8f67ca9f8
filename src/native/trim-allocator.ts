/** What the C library holds of freed memory, given back to the system: for all threads, wherever in the heap it lies. */

/** Does nothing where there is no such function: another C library, another system. Takes some milliseconds. */
export async function loadTrim(): Promise<() => void> {
  try {
    const { default: koffi } = await import("koffi");
    const trim = koffi.load(null).func("int malloc_trim(size_t pad)");
    return () => {
      trim(0);
    };
  } catch {
    return () => {};
  }
}
