/** How many results in a row change a verdict. */
export interface Hysteresis {
  readonly rise: number;
  readonly fall: number;
}

/** What is believed after the results so far. */
export interface Verdict {
  /** Undefined until the first verdict. */
  readonly isUp: boolean | undefined;
  /** How often in a row the latest results were alike and other than the verdict. */
  readonly against: number;
  readonly wasOk: boolean | undefined;
}

export const noVerdict: Verdict = { isUp: undefined, against: 0, wasOk: undefined };

/** `rise` good results in a row make it up, `fall` bad ones down, also for the first time; one alone says nothing. */
export function weigh(verdict: Verdict, isOk: boolean, { rise, fall }: Hysteresis): Verdict {
  if (isOk === verdict.isUp) {
    return { isUp: isOk, against: 0, wasOk: isOk };
  }
  const against = verdict.wasOk === isOk ? verdict.against + 1 : 1;
  return against >= (isOk ? rise : fall)
    ? { isUp: isOk, against: 0, wasOk: isOk }
    : { isUp: verdict.isUp, against, wasOk: isOk };
}
