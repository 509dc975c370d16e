import { type z } from 'zod';
import { type Services } from '../observe/services.ts';
import { type Status } from '../observe/status.ts';
import {
  type CommandReport,
  type drainRequest,
  type DrainReport,
  type EventsQuery,
  type EventView,
  type failoverRequest,
  type maintenanceRequest,
} from './contract.ts';
import { type Served } from './refusal.ts';

/** What the server asks of the director process. Each answers within its deadline. */
export interface ApiPorts {
  status(): Promise<Served<Status>>;
  services(): Promise<Served<Services>>;
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
  events(query: EventsQuery): readonly EventView[];
  /** Calls for every new event until the function that it returns is called. */
  subscribe(listener: (event: EventView) => void): () => void;
  failover(request: z.output<typeof failoverRequest>): Promise<Served<CommandReport>>;
  drain(request: z.output<typeof drainRequest>): Promise<Served<DrainReport>>;
  maintenance(request: z.output<typeof maintenanceRequest>): Promise<Served<CommandReport>>;
}
