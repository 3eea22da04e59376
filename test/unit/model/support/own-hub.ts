import { temporaryFolder } from '../../native/support/folders';
import { HubServer } from './hub-server';

/** The hub of the test that runs, and an empty cache of its own, after `useOwnHub`. */
export let hub: HubServer;
export let cacheFolder: string;

/** Gives each test of the file a hub and a cache. */
export function useOwnHub(): void {
  beforeEach(async () => {
    hub = await HubServer.start();
    cacheFolder = temporaryFolder();
  });
  afterEach(() => hub.stop());
}
