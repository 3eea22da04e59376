import { join } from 'node:path';
import type { ModelErrorCode } from '../../../lib/system/errors';
import { removeFolders } from '../native/support/folders';
import { changeModules, readModules } from './support/eras';
import { writeJson } from './support/fixture';
import { refuses, set } from './support/refuses';

/** Models that vectune does not compute are a ModelError that names the file and what is not known. */

afterAll(removeFolders);

describe('an architecture', () => {
  const code = 'ERR_UNKNOWN_ARCHITECTURE';
  const file = 'config.json';
  refuses('bert-dense', [
    {
      title: 'of another name',
      change: set(file, { model_type: 'deberta' }),
      code,
      file,
      message:
        /the architecture "deberta"; vectune runs .*albert, bert, camembert, distilbert, electra, gemma3_text, gte, modernbert, mpnet, nomic_bert, qwen2, qwen3, roberta, xlm-roberta/,
    },
    {
      title: 'whose name is one of JavaScript’s own',
      change: set(file, { model_type: 'constructor' }),
      code,
      file,
      message: /"constructor"/,
    },
    {
      title: 'that only its classes tell',
      change: set(file, { model_type: undefined, architectures: ['DebertaModel'] }),
      code,
      file,
      message: /"DebertaModel"/,
    },
    {
      title: 'that nothing tells',
      change: set(file, { model_type: undefined, architectures: undefined }),
      code,
      file,
      message: /no "model_type"/,
    },
    {
      title: 'with relative positions',
      change: set(file, { position_embedding_type: 'relative_key' }),
      code,
      file,
      message: /"relative_key"/,
    },
    { title: 'that decodes', change: set(file, { is_decoder: true }), code, file, message: /decoder/ },
    {
      title: 'with an activation that the engine lacks',
      change: set(file, { hidden_act: 'quick_gelu' }),
      code,
      file,
      message: /"hidden_act" is "quick_gelu".*gelu/,
    },
  ]);
});

describe('a shape', () => {
  const code = 'ERR_MODEL_FOLDER';
  const file = 'config.json';
  refuses('bert-dense', [
    {
      title: 'without the hidden size',
      change: set(file, { hidden_size: undefined }),
      code,
      file,
      message: /"hidden_size" must be an integer from 1, it is missing/,
    },
    {
      title: 'with a fraction of a layer',
      change: set(file, { num_hidden_layers: 1.5 }),
      code,
      file,
      message: /"num_hidden_layers" must be an integer from 1, found 1\.5/,
    },
    {
      title: 'with a text for a number',
      change: set(file, { intermediate_size: '48' }),
      code,
      file,
      message: /"intermediate_size".*found '48'/,
    },
    {
      title: 'that the heads do not divide',
      change: set(file, { num_attention_heads: 5 }),
      code,
      file,
      message: /hidden size 32 cannot be divided among 5/,
    },
    {
      title: 'with a dropout of more than 1',
      change: set(file, { hidden_dropout_prob: 2 }),
      code,
      file,
      message: /"hidden_dropout_prob" must be a number from 0 to 1, found 2/,
    },
  ]);
  refuses('roberta-mean', [
    {
      title: 'without a position behind the offset',
      change: set(file, { max_position_embeddings: 2 }),
      code,
      file,
      message: /"max_position_embeddings" 2 leaves no position behind the offset 2/,
    },
  ]);
});

describe('a computation that is another', () => {
  const code = 'ERR_UNKNOWN_ARCHITECTURE';
  const file = 'config.json';
  refuses('albert-mean', [
    {
      title: 'several groups of layers',
      change: set(file, { num_hidden_groups: 3 }),
      code,
      file,
      message: /"num_hidden_groups" is 3: several sets of layers/,
    },
    {
      title: 'several layers in a group',
      change: set(file, { inner_group_num: 2 }),
      code,
      file,
      message: /"inner_group_num" is 2/,
    },
  ]);
  for (const name of ['modernbert-mean', 'gemma3_text-mean'] as const) {
    refuses(name, [
      {
        title: `angles of ${name} in a form for all layers`,
        change: set(file, { rope_parameters: { rope_type: 'default', rope_theta: 20_000 } }),
        code: 'ERR_MODEL_FOLDER',
        file,
        message:
          /"rope_parameters" must be an object for each kind of layer \(full_attention, sliding_attention\), found/,
      },
    ]);
  }
});

describe('a module', () => {
  const code: ModelErrorCode = 'ERR_UNKNOWN_MODULE';
  const named = (index: number, type: string) => (folder: string) =>
    changeModules(folder, (entry, i) => (i === index ? { ...entry, type } : entry));
  const ordered =
    (...order: number[]) =>
    (folder: string) =>
      writeJson(
        order.map((i) => readModules(folder)[i]),
        folder,
        'modules.json',
      );
  const file = 'modules.json';
  const dense = join('2_Dense', 'config.json');
  refuses('bert-dense', [
    ...['sentence_transformers.models.LSTM', 'sentence_transformers.base.modules.router.Router', 'Dense'].map(
      (type) => ({
        title: `${type} is not one of ours`,
        change: named(2, type),
        code,
        file,
        message: new RegExp(
          `"${type}".*Transformer, StaticEmbedding, Pooling, Dense, LayerNorm, Normalize and Dropout`,
        ),
      }),
    ),
    {
      title: 'of code that comes with the model',
      change: named(0, 'custom_st.Transformer'),
      code,
      file,
      message: /"custom_st.Transformer"/,
    },
    {
      title: 'whose name is one of JavaScript’s own',
      change: named(2, 'sentence_transformers.models.toString'),
      code,
      file,
      message: /toString/,
    },
    {
      title: 'in another order',
      change: ordered(0, 2, 1),
      code,
      file,
      message: /orders its modules transformer, dense, pooling/,
    },
    {
      title: 'that is a second Transformer',
      change: ordered(0, 1, 0),
      code,
      file,
      message: /transformer, pooling, transformer/,
    },
    { title: 'alone, without pooling', change: ordered(0), code, file, message: /orders its modules transformer;/ },
    {
      title: 'Dense with an unknown activation',
      change: set(dense, { activation_function: 'torch.nn.modules.activation.Threshold' }),
      code,
      file: dense,
      message: /Threshold.*torch\.nn\.modules\.activation\.Tanh/,
    },
    ...[
      null,
      'torch.tanh',
      'torch.nn.functional.tanh',
      'transformers.activations.GELUActivation',
      'Tanh',
      '',
      7,
      {},
    ].map((activation_function) => ({
      title: `Dense with the activation ${JSON.stringify(activation_function)}`,
      change: set(dense, { activation_function }),
      code,
      file: dense,
      message:
        activation_function === null
          ? /the activation null is not one .*Write "torch\.nn\.modules\.linear\.Identity" where none is meant/
          : /the activation .* is not one that vectune has/,
    })),
    {
      title: 'Dense of the token vectors',
      change: set(dense, { module_input_name: 'token_embeddings' }),
      code,
      file: dense,
      message: /"module_input_name" is "token_embeddings"/,
    },
    {
      title: 'Dense of another width',
      change: set(dense, { in_features: 64 }),
      code: 'ERR_MODEL_FOLDER',
      file: dense,
      message: /"in_features" is 64.*width 32/,
    },
    {
      title: 'without a path',
      change: (folder) => writeJson([{ type: 'sentence_transformers.models.Transformer', path: 5 }], folder, file),
      code: 'ERR_MODEL_FOLDER',
      file,
      message: /must have a "type" and a "path", found \{ type: .*path: 5/,
    },
  ]);
});

describe('a pooling', () => {
  const code = 'ERR_UNKNOWN_MODULE';
  const file = join('1_Pooling', 'config.json');
  const modes = (pooling_mode: unknown) => (folder: string) =>
    writeJson({ embedding_dimension: 32, pooling_mode }, folder, file);
  refuses('bert-mean', [
    { title: 'of a new name', change: modes('attention'), code, file, message: /"attention".*cls, max, mean, / },
    { title: 'whose name is one of JavaScript’s own', change: modes('toString'), code, file, message: /"toString"/ },
    {
      title: 'concatenated in another order',
      change: modes(['mean', 'cls']),
      code,
      file,
      message: /concatenated as mean, cls; .*order cls, max, mean/,
    },
    { title: 'twice the same', change: modes(['mean', 'mean']), code, file, message: /mean, mean; .*each once/ },
    {
      title: 'that is no name',
      change: modes([1]),
      code: 'ERR_MODEL_FOLDER',
      file,
      message: /"pooling_mode" must be a name or a list of names, found \[ 1 \]/,
    },
    {
      title: 'switched on with a number',
      change: set(file, { pooling_mode_cls_token: 1 }),
      code: 'ERR_MODEL_FOLDER',
      file,
      message: /"pooling_mode_cls_token" must be true or false, found 1/,
    },
    {
      title: 'of another width',
      change: set(file, { word_embedding_dimension: 768 }),
      code: 'ERR_MODEL_FOLDER',
      file,
      message: /width 768.*gives 32/,
    },
  ]);
});

describe('a setting', () => {
  const code = 'ERR_UNKNOWN_MODULE';
  const [about, sentence] = ['config_sentence_transformers.json', 'sentence_bert_config.json'];
  refuses('bert-mean', [
    {
      title: 'that cuts embeddings to nothing',
      change: set(about, { truncate_dim: 0 }),
      code: 'ERR_MODEL_FOLDER',
      file: about,
      message: /"truncate_dim" must be an integer from 1/,
    },
    {
      title: 'of another kind of model',
      change: set(about, { model_type: 'SparseEncoder' }),
      code,
      file: about,
      message: /a SparseEncoder; vectune runs a SentenceTransformer/,
    },
    {
      title: 'that names a prompt that is not there',
      change: set(about, { prompts: { query: 'q: ' }, default_prompt_name: 'passage' }),
      code: 'ERR_MODEL_FOLDER',
      file: about,
      message: /"default_prompt_name" must be one of the prompts \(query\), found 'passage'/,
    },
    {
      title: 'whose prompt is no text',
      change: set(about, { prompts: { query: 7 } }),
      code: 'ERR_MODEL_FOLDER',
      file: about,
      message: /"prompts.query" must be a string, found 7/,
    },
    {
      title: 'of another task',
      change: set(sentence, { transformer_task: 'fill-mask' }),
      code,
      file: sentence,
      message: /"transformer_task" is "fill-mask"/,
    },
    {
      title: 'for the tokenizer, that we do not honour',
      change: set(sentence, { processing_kwargs: { text: { padding: 'max_length' } } }),
      code,
      file: sentence,
      message: /"text" of "processing_kwargs" is \{"padding":"max_length"\}.*Take it out/,
    },
    {
      title: 'with a limit of no tokens',
      change: set(sentence, { max_seq_length: 0 }),
      code: 'ERR_MODEL_FOLDER',
      file: sentence,
      message: /"max_seq_length" must be an integer from 1, found 0/,
    },
  ]);
});
