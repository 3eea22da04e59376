import {
  callback,
  choice,
  custom,
  flag,
  optional,
  signal,
  signalNames,
  text,
  type OptionsOf,
} from '../system/option-table';
import { invalidOption } from '../system/options';
import type { PushEvent } from './events';

/** A text and others that a hub's page compares it with. */
export interface PushExample {
  /** What the others are compared with. */
  text: string;
  /** One or more. */
  others: readonly string[];
}

const examples = custom<readonly PushExample[]>('examples', (path, value) => {
  const isText = (one: unknown) => typeof one === 'string' && one !== '';
  const isExample = (one: Partial<PushExample> | null) =>
    isText(one?.text) && Array.isArray(one?.others) && one.others.length > 0 && one.others.every(isText);
  if (Array.isArray(value) && value.every(isExample)) return value as PushExample[];
  throw invalidOption(path, 'a list of { text, others: [text, …] }', value);
});

const languages = custom<readonly string[]>('names', (path, value) => {
  if (Array.isArray(value) && value.every((one) => typeof one === 'string' && /^[\w-]{2,}$/.test(one))) return value;
  throw invalidOption(path, "a list of codes, as ['en', 'de']", value);
});

/** Texts of vectune's own. */
export const EXAMPLES: readonly PushExample[] = [
  { text: 'How do I get a refund?', others: ['I want my money back', 'When do you open?', 'The parcel has not come'] },
];

export const pushTable = {
  /** Whether a repository that holds a model already gets this one in its place; its history keeps the old one. Default false. */
  force: optional(flag, false, {
    flag: '--force',
    help: 'replace a model that the repository holds already; its history keeps it',
    aliases: ['overwrite', 'replace'],
  }),
  /** Branch of the repository; made from `main` where there is none. Default 'main'. */
  branch: optional(text(), 'main', {
    flag: '--branch <name>',
    help: 'branch of the repository; it is made of main where there is none',
    aliases: ['revision'],
  }),
  /** Of a repository that is made. Default 'private'. */
  visibility: optional(choice('private', 'public'), 'private', {
    flag: '--visibility <kind>',
    help: 'private or public, of a repository that is made',
    aliases: ['private', 'public'],
  }),
  /** What the commit says. Default: 'Model by vectune'. */
  message: optional(text(), 'Model by vectune', {
    flag: '--message <text>',
    help: 'what the commit says',
    aliases: ['commitMessage', 'title'],
  }),
  /** Address of the hub. Default: that of the model, else HF_ENDPOINT, else the public Hugging Face hub. */
  hubUrl: optional(text(), undefined, { variable: 'HF_ENDPOINT', aliases: ['endpoint', 'hfEndpoint', 'baseUrl'] }),
  /** Token that may write to the repository. Default: that of the model, else HF_TOKEN, else that of `hf auth login`. */
  accessToken: optional(text(), undefined, {
    variable: 'HF_TOKEN',
    aliases: ['token', 'hfToken', 'hubToken', 'apiKey', 'authToken', 'useAuthToken'],
  }),
  /** Is told how far the push is. */
  onProgress: optional(callback<(event: PushEvent) => void>(), undefined, {
    aliases: ['callback', 'progress', 'onEvent', 'progressCallback'],
  }),
  /** Stops the push; the promise rejects with an AbortError, and no commit is made. */
  signal: optional(signal, undefined, signalNames),
};

export const addTable = {
  /**
   * Whether an export goes beside what the repository holds: only its files are added, nothing is removed, and config.json
   * gets what transformers.js must know. Default false: the folder takes the repository's place.
   */
  add: optional(flag, false, {
    flag: '--add',
    help: "put an export beside the model that the repository holds, and leave the model's own files",
    aliases: ['keep', 'merge'],
  }),
};

/** What the model card says that is known to nobody but the caller. */
export const cardTable = {
  /** Licence of the model by the hub's name, as 'apache-2.0'. Default: the card says none. */
  license: optional(text(), undefined, {
    flag: '--license <name>',
    help: "licence of the model by the hub's name, as apache-2.0",
    unset: 'as the card has it',
    aliases: ['licence'],
  }),
  /** Languages of the texts by their codes, as ['en', 'de']. Default: the card says none. */
  languages: optional(languages, undefined, {
    flag: '--language <codes>',
    help: 'languages of the texts by their codes, as en,de',
    unset: 'as the card has it',
    aliases: ['language', 'lang'],
  }),
  /**
   * Texts that the model's page compares, and that the card shows with their similarities. Default: some of vectune's own;
   * texts that a model was trained on are not shown unless they are given here.
   */
  examples: optional(examples, undefined, {
    flag: '--example <text|other|…>',
    help: "a text and others that the model's page compares with it, with | between; may be given several times",
    unset: 'as the card has it',
    aliases: ['widget', 'widgetExamples'],
  }),
};

/** Options of `pushFolder`. What the card says is set in the README.md that is pushed; the folder's own stays as it is. */
export interface PushFolderOptions
  extends OptionsOf<typeof pushTable>,
    OptionsOf<typeof addTable>,
    OptionsOf<typeof cardTable> {}

export const temporaryTable = {
  /** Where the model is saved until it has been sent; there must be room for it. Default: the system's folder for temporary files. */
  temporaryFolder: optional(text(), undefined, { aliases: ['tmpDir', 'tempFolder'] }),
};

/** Options of `push`. */
export interface PushOptions
  extends OptionsOf<typeof pushTable>,
    OptionsOf<typeof cardTable>,
    OptionsOf<typeof temporaryTable> {}
