/**
 * Where a path lies for the operating system. An Electron app's files may be in an archive (`app.asar`), which only
 * JavaScript looks into; what is mapped, as addons, LibTorch and weights are, must stand unpacked beside it, at the
 * same path below `app.asar.unpacked`. Other paths are given back as they are.
 */
export function outsideArchive(path: string): string {
  return path.replace(/\.asar(?=[\\/]|$)/, '.asar.unpacked');
}
