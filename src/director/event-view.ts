import { type EventsQuery, type EventView } from '../api/contract.ts';
import { statedRole } from '../core/state.ts';
import { type JournalEntry } from '../observe/journal.ts';

export function eventView({ id, node, sentence, record }: JournalEntry): EventView {
  return {
    id,
    at: new Date(record.wallMs).toISOString(),
    node,
    kind: record.event.kind,
    sentence,
    from: statedRole(record.before.office),
    to: statedRole(record.after.office),
    term: record.after.term,
    reason: record.after.why,
    record,
  };
}

/** The newest that fit the query, oldest first. */
export function selectEvents(entries: readonly JournalEntry[], query: EventsQuery): readonly EventView[] {
  return entries
    .map(eventView)
    .filter(({ id, from, to }) => id > query.since && (!query.roles || from !== to))
    .slice(-query.limit);
}
