/** The loader addon (`native/loader`) as TypeScript sees it. It needs no LibTorch to be loaded itself. */
export interface LoaderAddon {
  /**
   * Opens libc10, libtorch_cpu and, if asked for, libtorch_cuda of a folder, off the event loop. They stay open for
   * the life of the process. Rejects with `code` ERR_LIBTORCH_LOAD, the dynamic linker's text, and `file`.
   */
  open(libDir: string, options: { cuda: boolean }): Promise<{ version: string; paths: string[] }>;
  /** Paths of the LibTorch libraries that the process has mapped, whoever opened them. */
  mapped(): string[];
}
