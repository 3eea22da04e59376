import { REFERENCE_VERSION } from '../lib/native/libtorch/table';

/** LibTorch that the suite runs on: the reference, or the one of `npm run test:matrix`. */
export const LIBTORCH_VERSION = process.env['VECTUNE_LIBTORCH_VERSION'] || REFERENCE_VERSION;

/** In a message: any versions that this clone has an engine for, the reference first. */
export const BUILT_VERSIONS = '2\\.11\\.0(?: or \\d+\\.\\d+\\.\\d+)*';
