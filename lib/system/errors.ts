import { types } from 'node:util';
import { api, remention, render, type MentionChange, type Surface, type Wording } from './wording';

// Every error that vectune throws or rejects with. The class says what kind of trouble it is, `code` is stable and says
// exactly which one; messages may change between versions, codes do not.

/** Codes of `InvalidArgumentError`. */
export type InvalidArgumentCode =
  | 'ERR_INVALID_ARGUMENT'
  /** Lists that belong together differ in length. */
  | 'ERR_LENGTH_MISMATCH'
  | 'ERR_EMPTY_DATA'
  /** A score is not a finite number from 0 to 1. */
  | 'ERR_SCORE_RANGE'
  /** The scores of all training rows lie within a hundredth; `allowConstantScores` accepts that. */
  | 'ERR_CONSTANT_SCORES'
  /** The two texts of every training row are the same. */
  | 'ERR_CONSTANT_TEXTS'
  /** A text is not a string. */
  | 'ERR_TEXT_TYPE'
  /** A class, a teacher's score or a teacher's vector is missing or is none. */
  | 'ERR_LABEL'
  /** There are rows of one class only, where classes are to be told apart. */
  | 'ERR_SINGLE_CLASS'
  /** `maxInputLength` is more than the model has positions for. */
  | 'ERR_MAX_INPUT_LENGTH'
  | 'ERR_UNKNOWN_OPTION'
  | 'ERR_INVALID_OPTION'
  /** A data file cannot be read as rows to train on. */
  | 'ERR_DATA_FILE';

/** Codes of `ModelError`. */
export type ModelErrorCode =
  | 'ERR_UNKNOWN_ARCHITECTURE'
  | 'ERR_UNKNOWN_MODULE'
  | 'ERR_MODEL_FOLDER'
  | 'ERR_SAFETENSORS'
  | 'ERR_PICKLE'
  | 'ERR_TOKENIZER'
  | 'ERR_SAVE_TARGET'
  /** Models to be merged differ in shapes, modules, vocabulary or tokenizer. */
  | 'ERR_MERGE'
  /** The model cannot be written in the form that was asked for. */
  | 'ERR_EXPORT'
  /** Neither the hub nor a fall-back has the model. */
  | 'ERR_MODEL_NOT_FOUND';

/** Codes of `StateError`. */
export type StateErrorCode = 'ERR_DISPOSED' | 'ERR_BUSY';
/** Code of `OutOfMemoryError`. */
export type OutOfMemoryCode = 'ERR_OUT_OF_MEMORY';
/** Code of `AbortError`. */
export type AbortCode = 'ERR_ABORTED';

/** Codes of `LibTorchError`. */
export type LibTorchErrorCode =
  | 'ERR_LIBTORCH_MISSING'
  | 'ERR_LIBTORCH_VERSION'
  | 'ERR_LIBTORCH_LOAD'
  /** Another LibTorch is in the process already. */
  | 'ERR_LIBTORCH_CONFLICT'
  | 'ERR_ADDON_MISSING';

/** Codes of `DownloadError`. */
export type DownloadErrorCode =
  | 'ERR_DOWNLOAD'
  | 'ERR_CHECKSUM'
  | 'ERR_DISK_SPACE'
  /** The hub refuses access: the model is private or gated, or the token is not accepted. */
  | 'ERR_HUB_ACCESS'
  /** The hub is overloaded, or takes no more requests from here for a while. */
  | 'ERR_HUB_BUSY';
/** Code of `ToolError`. */
export type ToolErrorCode = 'ERR_TOOL_MISSING';
/** Code of `NativeError`. */
export type NativeCode = 'ERR_NATIVE';
/** Codes of `DeviceError`. */
export type DeviceErrorCode =
  /** The GPU that was asked for is not there, or a driver or library for it is missing. */
  | 'ERR_DEVICE_UNAVAILABLE'
  /** The GPU reported an error; it does no more in this process. */
  | 'ERR_DEVICE_LOST';
/** Code of `FileError`. */
export type FileErrorCode = 'ERR_FILE';

/** Codes of `ServerError`. */
export type ServerErrorCode =
  /** The port is taken, or this address or port may not be used. */
  | 'ERR_LISTEN'
  /** Packages that the server is made of, optional peers of vectune, are not installed, or are others than it needs. */
  | 'ERR_SERVER_PACKAGES';

/** Codes of `CheckpointError`. */
export type CheckpointErrorCode =
  /** Not one checkpoint of the folder is whole. */
  | 'ERR_CHECKPOINT_DAMAGED'
  /** The checkpoint is of other data, another model or other options. */
  | 'ERR_CHECKPOINT_MISMATCH'
  /** Other threads, kernels or versions would not give the same numbers; `allowInexact` accepts that. */
  | 'ERR_CHECKPOINT_INEXACT'
  /** Another run writes to the folder. */
  | 'ERR_CHECKPOINT_LOCKED'
  /** The folder has an earlier run's checkpoints, and `resume` was not given. */
  | 'ERR_CHECKPOINT_EXISTS';

/** Codes of `PushError`. */
export type PushErrorCode =
  /** The hub does not answer, or does not take what was sent. */
  | 'ERR_PUSH'
  /** The repository holds a model already, or was changed meanwhile; `force` replaces it. */
  | 'ERR_PUSH_TARGET'
  /** The folder is no model's, or holds files that are none of a model's. */
  | 'ERR_PUSH_FOLDER'
  | 'ERR_HUB_ACCESS'
  | 'ERR_HUB_BUSY';

/** Codes of `LossError`. */
export type LossErrorCode =
  /** It threw, or gave what is no loss or no gradient. */
  | 'ERR_LOSS'
  /** Its gradient is not that of its loss; `checkGradient` has found it. */
  | 'ERR_LOSS_GRADIENT';

/** All codes of all errors. */
export type ErrorCode =
  | InvalidArgumentCode
  | ModelErrorCode
  | StateErrorCode
  | OutOfMemoryCode
  | AbortCode
  | LibTorchErrorCode
  | DownloadErrorCode
  | ToolErrorCode
  | NativeCode
  | DeviceErrorCode
  | FileErrorCode
  | ServerErrorCode
  | CheckpointErrorCode
  | PushErrorCode
  | LossErrorCode;

/** What an error carries beside its code and text. */
export interface ErrorDetails {
  /** The error behind it. */
  cause?: unknown;
  /** Row of the data at fault, counted from 0 as in the list that was passed. */
  row?: number | undefined;
  /** File or folder at fault. */
  file?: string | undefined;
  /** Line of the file at fault, counted from 1. */
  line?: number | undefined;
  /** What to do next, in sentences; it becomes the end of the message. */
  remedy?: Wording | undefined;
}

/** What each error was made of. Not properties: who prints an error has read them in its message. */
const pieces = new WeakMap<VectuneError, { said: string | Wording; remedy: Wording | undefined }>();

/** Base of all of vectune's errors. */
export class VectuneError extends Error {
  /** Says which error it is; stable between versions. */
  readonly code: ErrorCode;
  // Declared only: a field that is absent is not shown as undefined.
  /** Row of the data at fault, counted from 0 as in the list or file that was passed; absent where it is no row's. */
  declare readonly row?: number;
  /** File or folder at fault; absent where it is no file's. */
  declare readonly file?: string;
  /** Line of the file at fault, counted from 1; absent where the file has no lines. */
  declare readonly line?: number;

  /** For vectune itself: a caller has no errors of these classes to make. */
  constructor(code: ErrorCode, message: string | Wording, details: ErrorDetails = {}) {
    super(whole(message, details.remedy, api), 'cause' in details ? { cause: details.cause } : undefined);
    this.name = new.target.name;
    this.code = code;
    pieces.set(this, { said: message, remedy: details.remedy });
    if (details.row !== undefined) this.row = details.row;
    if (details.file !== undefined) this.file = details.file;
    if (details.line !== undefined) this.line = details.line;
  }

  /**
   * What to do next: the end of `message` in pieces, so that a program can name the options in its own words (a button,
   * a flag); absent where the message says all. Each piece is a text, or an object that tells by `type` what it names: an
   * option by its path, options with the values to give them, a command to type.
   */
  get remedy(): Wording | undefined {
    return pieces.get(this)?.remedy;
  }
}

function whole(said: string | Wording, remedy: Wording | undefined, surface: Surface): string {
  const texts = [render(said, surface), remedy === undefined ? '' : render(remedy, surface)];
  return texts.filter((text) => text !== '').join(texts[0]!.endsWith('\n') ? '' : ' ');
}

/** What another error says, without what it advises: to stand in brackets. */
export function firstSentence({ message }: Error): string {
  return message.split('. ')[0]!.replace(/\.$/, '');
}

/** The pieces of an error's message, to say them in another's. */
export function wordingOf(error: Error): Wording {
  const told = error instanceof VectuneError ? pieces.get(error) : undefined;
  if (told === undefined) return [error.message];
  const said = typeof told.said === 'string' ? [told.said] : told.said;
  return told.remedy === undefined ? said : [...said, ' ', ...told.remedy];
}

/** The error's message in the words of a surface. */
export function messageFor(error: VectuneError, surface: Surface): string {
  const told = pieces.get(error);
  return told === undefined ? error.message : whole(told.said, told.remedy, surface);
}

/** What the error says, in pieces, for an error that tells of several. */
export function saidBy(error: VectuneError): { said: Wording; remedy: Wording | undefined } {
  const told = pieces.get(error);
  const said = told?.said ?? error.message;
  return { said: typeof said === 'string' ? [said] : said, remedy: told?.remedy };
}

/** The error with every mention of options in it changed, after some words of its own; that error is its cause. */
export function rementioned(
  error: InvalidArgumentError,
  change: MentionChange,
  before: Wording = [],
): InvalidArgumentError {
  const { said, remedy } = saidBy(error);
  const { code, row, file, line } = error;
  return new InvalidArgumentError(code, [...before, ...remention(said, change)], {
    row,
    file,
    line,
    remedy: remedy === undefined ? undefined : remention(remedy, change),
    cause: error,
  });
}

/** What the error says before its remedy, in a program's words. */
export function withoutRemedy(error: VectuneError): string {
  const told = pieces.get(error);
  return told === undefined ? error.message : render(told.said, api);
}

/** Gives an error of vectune's the words of a surface, in its stack too; returns the error. */
export function reword<E>(error: E, surface: Surface): E {
  if (!(error instanceof VectuneError)) return error;
  const { message, stack } = error;
  error.message = messageFor(error, surface);
  if (stack !== undefined) error.stack = stack.replace(message, () => error.message);
  return error;
}

/** What was passed cannot be used; nothing has been touched. */
export class InvalidArgumentError extends VectuneError {
  declare readonly code: InvalidArgumentCode;
  /** For vectune itself. */
  constructor(code: InvalidArgumentCode, message: string | Wording, details?: ErrorDetails) {
    super(code, message, details);
  }
}

/** A model folder or file is missing, damaged or of a kind that vectune does not know. */
export class ModelError extends VectuneError {
  declare readonly code: ModelErrorCode;
  /** For vectune itself. */
  constructor(code: ModelErrorCode, message: string | Wording, details?: ErrorDetails) {
    super(code, message, details);
  }
}

/** The object cannot do this now: it is disposed, or busy with a run. */
export class StateError extends VectuneError {
  declare readonly code: StateErrorCode;
  /** For vectune itself. */
  constructor(code: StateErrorCode, message: string | Wording, details?: ErrorDetails) {
    super(code, message, details);
  }
}

/** The work does not fit in memory, whether the machine's or the limit that was set. */
export class OutOfMemoryError extends VectuneError {
  declare readonly code: OutOfMemoryCode;
  /** For vectune itself. */
  constructor(code: OutOfMemoryCode, message: string | Wording, details?: ErrorDetails) {
    super(code, message, details);
  }
}

/** The caller stopped the work. `name` is 'AbortError', as in Node and in browsers. */
export class AbortError extends VectuneError {
  declare readonly code: AbortCode;
  /** For vectune itself. */
  constructor(code: AbortCode, message: string | Wording, details?: ErrorDetails) {
    super(code, message, details);
  }
}

/** LibTorch or the addon built for it is missing, of another version, or cannot be loaded. */
export class LibTorchError extends VectuneError {
  declare readonly code: LibTorchErrorCode;
  /** For vectune itself. */
  constructor(code: LibTorchErrorCode, message: string | Wording, details?: ErrorDetails) {
    super(code, message, details);
  }
}

/** A download failed, or what came is not what was asked for. */
export class DownloadError extends VectuneError {
  declare readonly code: DownloadErrorCode;
  /** For vectune itself. */
  constructor(code: DownloadErrorCode, message: string | Wording, details?: ErrorDetails) {
    super(code, message, details);
  }
}

/** A program that a command needs is not on this machine. */
export class ToolError extends VectuneError {
  declare readonly code: ToolErrorCode;
  /** For vectune itself. */
  constructor(code: ToolErrorCode, message: string | Wording, details?: ErrorDetails) {
    super(code, message, details);
  }
}

/** LibTorch or the engine reported an error of no other kind. */
export class NativeError extends VectuneError {
  declare readonly code: NativeCode;
  /** For vectune itself. */
  constructor(code: NativeCode, message: string | Wording, details?: ErrorDetails) {
    super(code, message, details);
  }
}

/** A GPU cannot be used, or can be used no more; the processor still can. */
export class DeviceError extends VectuneError {
  declare readonly code: DeviceErrorCode;
  /** For vectune itself. */
  constructor(code: DeviceErrorCode, message: string | Wording, details?: ErrorDetails) {
    super(code, message, details);
  }
}

/** A file could not be read or written; `file` names it where it is known. */
export class FileError extends VectuneError {
  declare readonly code: FileErrorCode;
  /** For vectune itself. */
  constructor(code: FileErrorCode, message: string | Wording, details?: ErrorDetails) {
    super(code, message, details);
  }
}

/** A server cannot be made, or cannot listen where it was told to. */
export class ServerError extends VectuneError {
  declare readonly code: ServerErrorCode;
  /** For vectune itself. */
  constructor(code: ServerErrorCode, message: string | Wording, details?: ErrorDetails) {
    super(code, message, details);
  }
}

/** Checkpoints that cannot be gone on from, or a folder for them that cannot be used. */
export class CheckpointError extends VectuneError {
  declare readonly code: CheckpointErrorCode;
  /** For vectune itself. */
  constructor(code: CheckpointErrorCode, message: string | Wording, details?: ErrorDetails) {
    super(code, message, details);
  }
}

/** A model was not put into a hub's repository; no commit was made. */
export class PushError extends VectuneError {
  declare readonly code: PushErrorCode;
  /** For vectune itself. */
  constructor(code: PushErrorCode, message: string | Wording, details?: ErrorDetails) {
    super(code, message, details);
  }
}

/** A loss of the caller's own, given as the option `loss`, cannot be trained on; what it threw is the `cause`. */
export class LossError extends VectuneError {
  declare readonly code: LossErrorCode;
  /** For vectune itself. */
  constructor(code: LossErrorCode, message: string | Wording, details?: ErrorDetails) {
    super(code, message, details);
  }
}

/**
 * Gives what the addon threw or rejected with its class, keeping message and cause. An error that the
 * addon did not code is returned as it is. Errors are recognised by shape, not with `instanceof`: they
 * may come from another context of the virtual machine.
 */
export function fromNative(error: unknown): Error {
  if (error instanceof VectuneError) return error;
  if (!types.isNativeError(error)) {
    return error instanceof Error ? error : new NativeError('ERR_NATIVE', String(error), { cause: error });
  }
  const details: ErrorDetails = { cause: error };
  switch ((error as { code?: unknown }).code) {
    case 'ERR_OUT_OF_MEMORY':
      return new OutOfMemoryError('ERR_OUT_OF_MEMORY', error.message, details);
    case 'ERR_ABORTED':
      return new AbortError('ERR_ABORTED', error.message, details);
    case 'ERR_SAFETENSORS':
      return new ModelError('ERR_SAFETENSORS', error.message, details);
    case 'ERR_FILE':
      return new FileError('ERR_FILE', error.message, details);
    case 'ERR_DISPOSED':
      return new StateError('ERR_DISPOSED', error.message, details);
    case 'ERR_BUSY':
      return new StateError('ERR_BUSY', error.message, details);
    case 'ERR_INVALID_ARGUMENT':
      return new InvalidArgumentError('ERR_INVALID_ARGUMENT', error.message, details);
    case 'ERR_DEVICE_UNAVAILABLE':
      return new DeviceError('ERR_DEVICE_UNAVAILABLE', error.message, details);
    case 'ERR_DEVICE_LOST':
      return new DeviceError('ERR_DEVICE_LOST', error.message, details);
    case 'ERR_NATIVE':
      return new NativeError('ERR_NATIVE', error.message, details);
    default:
      return error;
  }
}

/** Whether `error` is vectune's error with this code. */
export function hasCode(error: unknown, code: ErrorCode): error is VectuneError {
  return error instanceof VectuneError && error.code === code;
}
