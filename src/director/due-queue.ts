/** Things by the time they are due, the earliest first: a binary heap. */
export interface DueQueue<Item extends Due> {
  readonly add: (item: Item) => void;
  first(): Item | undefined;
  takeFirst(): Item | undefined;
  /** Leaves out whatever is not wanted any more. */
  keep(isWanted: (item: Item) => boolean): void;
  readonly size: number;
}

/** Must not change while it is in a queue. */
export interface Due {
  readonly dueAtMs: number;
}

export function createDueQueue<Item extends Due>(): DueQueue<Item> {
  let heap: Item[] = [];

  const isBefore = (left: number, right: number) =>
    (heap[left]?.dueAtMs ?? Infinity) < (heap[right]?.dueAtMs ?? Infinity);
  const swap = (left: number, right: number) => {
    const [first, second] = [heap[left], heap[right]];
    if (first !== undefined && second !== undefined) {
      heap[left] = second;
      heap[right] = first;
    }
  };
  const rise = (index: number) => {
    const parent = (index - 1) >> 1;
    if (index > 0 && isBefore(index, parent)) {
      swap(index, parent);
      rise(parent);
    }
  };
  const sink = (index: number) => {
    const left = 2 * index + 1;
    const earliest = isBefore(left + 1, left) ? left + 1 : left;
    if (isBefore(earliest, index)) {
      swap(index, earliest);
      sink(earliest);
    }
  };

  const add = (item: Item) => {
    heap.push(item);
    rise(heap.length - 1);
  };
  return {
    add,
    first: () => heap[0],
    takeFirst: () => {
      swap(0, heap.length - 1);
      const item = heap.pop();
      sink(0);
      return item;
    },
    keep: (isWanted) => {
      // A sorted array is a heap.
      heap = heap.filter(isWanted).sort((left, right) => left.dueAtMs - right.dueAtMs);
    },
    get size() {
      return heap.length;
    },
  };
}
