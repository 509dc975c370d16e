/** What happens in virtual time: the earliest first, and in the order of its planning at the same instant. */
export interface Schedule {
  at(atMs: number, happen: () => void): void;
  /** The instant of the earliest entry. */
  nextMs(): number | undefined;
  /** Takes the earliest entry off and lets it happen. */
  runNext(): void;
}

interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly happen: () => void;
}

/** A binary heap. */
export function createSchedule(): Schedule {
  const heap: Entry[] = [];
  let planned = 0;

  function isBefore(a: Entry, b: Entry): boolean {
    return a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs;
  }

  function swapIfBefore(child: number, parent: number): boolean {
    const below = heap[child];
    const above = heap[parent];
    if (below === undefined || above === undefined || !isBefore(below, above)) {
      return false;
    }
    heap[child] = above;
    heap[parent] = below;
    return true;
  }

  return {
    at(atMs, happen) {
      planned += 1;
      heap.push({ atMs, order: planned, happen });
      for (let child = heap.length - 1; child > 0;) {
        const parent = (child - 1) >> 1;
        if (!swapIfBefore(child, parent)) {
          return;
        }
        child = parent;
      }
    },
    nextMs: () => heap[0]?.atMs,
    runNext() {
      const first = heap[0];
      const last = heap.pop();
      if (first === undefined || last === undefined) {
        return;
      }
      if (heap.length > 0) {
        heap[0] = last;
        for (let parent = 0; ;) {
          const [left, right] = [heap[2 * parent + 1], heap[2 * parent + 2]];
          const child =
            left !== undefined && right !== undefined && isBefore(right, left)
              ? 2 * parent + 2
              : 2 * parent + 1;
          if (!swapIfBefore(child, parent)) {
            break;
          }
          parent = child;
        }
      }
      first.happen();
    },
  };
}
