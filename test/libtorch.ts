import { findAddons, versionsOf } from '../lib/engine/addons';
import { REFERENCE_VERSION } from '../lib/libtorch/table';

/** LibTorch that the suite runs on: the reference, or the one of `npm run test:matrix`. */
export const LIBTORCH_VERSION = process.env['VECTUNE_LIBTORCH_VERSION'] || REFERENCE_VERSION;

/** Versions that this clone has an engine for, the preferred one first. */
export const builtVersions = async (): Promise<string[]> => versionsOf(await findAddons());
