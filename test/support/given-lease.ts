/** A Lease that the test gives and takes. */

export class GivenLease {
  isHeld = false;
  hold = AbortSignal.abort() as AbortSignal;
  #listeners: ((isHeld: boolean) => void)[] = [];
  #end = () => {};

  onChange(listener: (isHeld: boolean) => void): void {
    this.#listeners.push(listener);
  }

  give(): void {
    const controller = new AbortController();
    this.hold = controller.signal;
    this.#end = () => controller.abort();
    this.#set(true);
  }

  take(): void {
    this.#end();
    this.#set(false);
  }

  #set(isHeld: boolean): void {
    this.isHeld = isHeld;
    for (const listener of this.#listeners) listener(isHeld);
  }
}
