/** Latest wins: one piece of work in flight, at most one waiting; what was waiting before is dropped. */
export class Latest<T> {
  private waiting: { value: T } | null = null;
  private busy = false;

  constructor(
    private readonly work: (value: T) => Promise<void>,
    private readonly signal: AbortSignal,
  ) {}

  put(value: T): void {
    if (this.signal.aborted) return;
    this.waiting = { value };
    if (!this.busy) void this.drain();
  }

  private async drain(): Promise<void> {
    this.busy = true;
    try {
      while (this.waiting && !this.signal.aborted) {
        const { value } = this.waiting;
        this.waiting = null;
        await this.work(value);
      }
    } finally {
      this.busy = false;
    }
  }
}
