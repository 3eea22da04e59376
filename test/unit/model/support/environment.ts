/** Variables that the code under test reads; machines where tests run may have them set. */
const READ = ['HF_ENDPOINT', 'HF_TOKEN', 'HF_HUB_OFFLINE', 'VECTUNE_CACHE', 'XDG_CACHE_HOME', 'PATH'];

/** Gives each test of the file an environment without those variables (PATH kept), and puts the old one back. */
export function useCleanEnvironment(): void {
  let before: Record<string, string | undefined>;
  beforeEach(() => {
    before = Object.fromEntries(READ.map((name) => [name, process.env[name]]));
    for (const name of READ) if (name !== 'PATH') delete process.env[name];
  });
  afterEach(() => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
}
