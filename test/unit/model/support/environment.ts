/** Variables that the code under test reads; machines where tests run may have them set. */
const READ = [
  ...['HF_ENDPOINT', 'HF_TOKEN', 'HF_TOKEN_PATH', 'HF_HUB_OFFLINE', 'HF_HOME', 'HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE'],
  ...['VECTUNE_CACHE', 'XDG_CACHE_HOME', 'PATH', 'HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY'],
  ...['https_proxy', 'http_proxy', 'no_proxy'],
];

/** Gives each test of the file an environment without those variables (PATH kept), and puts the old one back. */
export function useCleanEnvironment(): void {
  let before: Record<string, string | undefined>;
  beforeEach(() => {
    before = Object.fromEntries(READ.map((name) => [name, process.env[name]]));
    for (const name of READ) if (name !== 'PATH') delete process.env[name];
    process.env['HF_HOME'] = '/nowhere/huggingface'; // the machine may have models
  });
  afterEach(() => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
}
