import { flag, optional, text } from '../../system/option-table';

/** Where models and data sets of a hub are fetched from and kept: options of whatever fetches them. */
export const hubTable = {
  /** Where what is fetched is kept. Default: VECTUNE_CACHE, else the system's folder for caches. */
  cacheFolder: optional(text(), undefined, { variable: 'VECTUNE_CACHE', aliases: ['cacheDir', 'cache', 'cachePath'] }),
  /** Address of the hub. Default: HF_ENDPOINT, else the public Hugging Face hub. */
  hubUrl: optional(text(), undefined, {
    variable: 'HF_ENDPOINT',
    aliases: ['endpoint', 'hfEndpoint', 'baseUrl', 'hubEndpoint'],
  }),
  /** Token for private repositories. Default: HF_TOKEN. */
  accessToken: optional(text(), undefined, {
    variable: 'HF_TOKEN',
    aliases: ['token', 'useAuthToken', 'hfToken', 'hubToken', 'apiKey', 'authToken'],
  }),
  /** Fetch nothing, use what is on this machine. Default: whether HF_HUB_OFFLINE is set. */
  offline: optional(flag, undefined, { variable: 'HF_HUB_OFFLINE', aliases: ['localFilesOnly', 'localOnly'] }),
};

/** Options of the hub, after checks. */
export interface HubPlace {
  cacheFolder?: string | undefined;
  hubUrl?: string | undefined;
  accessToken?: string | undefined;
  offline?: boolean | undefined;
}
