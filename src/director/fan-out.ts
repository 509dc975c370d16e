/** Tells every subscriber what is sent, in the order in which they came. */
export interface FanOut<Value> {
  send(value: Value): void;
  /** Returns the function that ends the subscription. */
  subscribe(listener: (value: Value) => void): () => void;
}

export function createFanOut<Value>(): FanOut<Value> {
  const listeners = new Set<(value: Value) => void>();
  return {
    send(value) {
      for (const listener of listeners) {
        listener(value);
      }
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
  };
}
