import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { TextVectorisation } from '../../../lib';
import { openModel } from '../../../lib/model/open';
import { unclaimedNotes } from '../../../lib/model/unclaimed-tensors';
import { removeFolders, temporaryFolder } from '../native/support/folders';
import { folderVectors } from './support/engine';
import { changeModules, readModules } from './support/eras';
import { copyFixture, fixtureFolder, readJson, setFields, writeJson } from './support/fixture';
import { renameTensors } from './support/raw-safetensors';
import { refuses, set } from './support/refuses';

/** Folders that would open and give vectors that are not the model's: of other tasks, of other classes, of other modules. */

afterAll(removeFolders);

const file = 'config.json';
/** Leaves a folder of transformers: nothing of sentence-transformers. */
const plain = (folder: string) => {
  for (const name of ['modules.json', 'config_sentence_transformers.json', 'sentence_bert_config.json', '1_Pooling'])
    rmSync(join(folder, name), { recursive: true, force: true });
};

describe('a plain folder', () => {
  const code = 'ERR_UNKNOWN_ARCHITECTURE';
  refuses('bert-mean', [
    ...['BertForSequenceClassification', 'BertForTokenClassification', 'BertForQuestionAnswering'].map((name) => ({
      title: `of the class ${name}`,
      change: (folder: string) => {
        plain(folder);
        setFields({ architectures: [name] }, folder, file);
      },
      code: code as 'ERR_UNKNOWN_ARCHITECTURE',
      file,
      message: new RegExp(`of the class ${name}.*no vectors.*\\n  python -c .*-encoder`, 's'),
    })),
    ...[{ sentence_transformers: { version: '4.1.0' } }, { sbert_ce_default_activation_function: 'x' }].map(
      (fields) => ({
        title: `that CrossEncoder wrote: ${Object.keys(fields)[0]!}`,
        change: (folder: string) => {
          plain(folder);
          setFields(fields, folder, file);
        },
        code: code as 'ERR_UNKNOWN_ARCHITECTURE',
        file,
        message: /a cross-encoder's: .*scores pairs.*Choose an embedding model/s,
      }),
    ),
  ]);
  test('whose pre-training was another is an embedding model, and so is one with modules.json', async () => {
    const folder = copyFixture('bert-mean');
    setFields({ architectures: ['BertForSequenceClassification'] }, folder, file);
    await openModel(folder);
    plain(folder);
    for (const name of ['BertForMaskedLM', 'BertForPreTraining', 'BertLMHeadModel', 'BertForCL', 'BertModel']) {
      setFields({ architectures: [name] }, folder, file);
      expect((await openModel(folder)).architecture).toBe('bert');
    }
  });
});

describe('a class', () => {
  const code = 'ERR_UNKNOWN_ARCHITECTURE';
  refuses('bert-mean', [
    {
      title: 'of another name than that of its "model_type"',
      change: set(file, { architectures: ['HF_ColBERT'] }),
      code,
      file,
      message: /names the class HF_ColBERT, .* than BertModel.*"architectures": \["BertModel"\]/s,
    },
    {
      title: 'of code that comes with the model',
      change: set(file, { auto_map: { AutoConfig: 'a.B', AutoModel: 'modeling_own.OwnModel' } }),
      code,
      file,
      message: /"auto_map" names "modeling_own\.OwnModel", code of the model's own/,
    },
  ]);
  refuses('qwen3-mean', [
    {
      title: 'that sees both sides, said by its name alone',
      change: set(file, { architectures: ['Qwen3BidirectionalModel'] }),
      code,
      file,
      message: /Qwen3BidirectionalModel, .* than Qwen3Model/,
    },
  ]);
  test.each([
    ['xlm-roberta-mean', 'RobertaForMaskedLM'],
    ['camembert-mean', 'RobertaModel'],
    ['gemma3_text-mean', 'Gemma3ForCausalLM'],
    ['gte-mean', 'NewForMaskedLM'],
  ] as const)('of %s that computes the same: %s', async (name, given) => {
    const folder = copyFixture(name);
    setFields({ architectures: [given] }, folder, file);
    expect((await openModel(folder)).spec).toEqual((await openModel(fixtureFolder(name))).spec);
  });
  test('of GTE and NomicBERT whose code may come with the model', async () => {
    for (const name of ['gte-mean', 'nomic_bert-mean'] as const) {
      const folder = copyFixture(name);
      setFields({ auto_map: { AutoModel: 'modeling.NewModel' } }, folder, file);
      await openModel(folder);
    }
  });
  test('that is for other tasks than AutoModel is not run by the model', async () => {
    const folder = copyFixture('bert-mean');
    setFields({ auto_map: { AutoModelForMaskedLM: 'modeling_own.OwnForMaskedLM' } }, folder, file);
    await openModel(folder);
  });
});

describe('tensors that nothing is computed with', () => {
  test('are told, but for the parts that most folders have left over', async () => {
    const folder = copyFixture('bert-mean');
    const without = new TextVectorisation(folder);
    expect((await without.info()).notes).toEqual([]);
    await without.dispose();
    // A projection of ColBERT's, in a folder that names BertModel.
    cpSync(join(copyFixture('bert-dense'), '2_Dense', 'model.safetensors'), join(folder, 'own.safetensors'));
    cpSync(join(folder, 'model.safetensors'), join(folder, 'body.safetensors'));
    renameTensors(join(folder, 'own.safetensors'), (name) =>
      name.endsWith('weight') ? 'own_head.weight' : 'cls.bias',
    );
    const map = { 'own_head.weight': 'own.safetensors', 'cls.bias': 'own.safetensors', rest: 'body.safetensors' };
    rmSync(join(folder, 'model.safetensors'));
    writeJson({ weight_map: map }, folder, 'model.safetensors.index.json');
    const tv = new TextVectorisation(folder);
    expect((await tv.info()).notes).toEqual([
      expect.stringMatching(/nothing is computed with own_head\.weight: the arch/),
    ]);
    expect(await tv.embed('rain')).toHaveLength(32);
    await tv.dispose();
  });
  test('are counted where there are many', () => {
    const names = Array.from({ length: 7 }, (_, i) => `experts.${i}.weight`);
    expect(unclaimedNotes(names)).toEqual([expect.stringContaining('experts.4.weight and 2 more: ')]);
    const known = [
      'cls.predictions.bias',
      'pooler.dense.weight',
      'lm_head.weight',
      'embeddings.position_ids',
      'head.norm.weight',
    ];
    expect(unclaimedNotes([...known, 'encoder.layer.0.attention.rotary_emb.inv_freq'])).toEqual([]);
  });
});

describe('a module that is not run', () => {
  const code = 'ERR_UNKNOWN_MODULE';
  const typed = (type: string) => (folder: string) =>
    changeModules(folder, (entry, i) => (i === 1 ? { ...entry, type } : entry));
  refuses(
    'bert-mean',
    [
      ['models.LSTM', /network between the tokens/],
      ['models.CNN', /network between the tokens/],
      ['models.WordEmbeddings', /split into words.*StaticEmbedding/],
      ['models.Asym', /an encoder for each kind.*sub_modules\['document'\]/],
      ['base.modules.router.Router', /an encoder for each kind/],
      ['models.CLIPModel', /for images too/],
      ['sparse_encoder.modules.splade_pooling.SpladePooling', /SPLADE/],
      ['cross_encoder.modules.logit_score.LogitScore', /scores pairs/],
      ['multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask', /vector for each token/],
    ].map(([name, message]) => ({
      title: `${name as string}: what it is, and what to do`,
      change: typed(`sentence_transformers.${name as string}`),
      code: code as 'ERR_UNKNOWN_MODULE',
      file: 'modules.json',
      message: message as RegExp,
    })),
  );
  refuses('bert-mean', [
    {
      title: 'of code in the repository',
      change: typed('custom_st.Pooling'),
      code,
      file: 'modules.json',
      message: /none of sentence-transformers' own, and code that comes with a model is never run/,
    },
    {
      title: 'CrossEncoder of a new release, whose modules are others',
      change: (folder) => {
        writeJson(readModules(folder).slice(0, 1), folder, 'modules.json');
        setFields({ model_type: 'CrossEncoder' }, folder, 'config_sentence_transformers.json');
      },
      code,
      file: 'config_sentence_transformers.json',
      message: /describes a CrossEncoder; .*scores pairs of texts and gives no vectors/,
    },
  ]);
  test('Dropout is none of a vector’s: left out, and told', async () => {
    const folder = copyFixture('bert-mean');
    mkdirSync(join(folder, '2_Dropout'));
    writeJson({ dropout: 0.2 }, folder, '2_Dropout', 'config.json');
    const entry = { idx: 2, name: '2', path: '2_Dropout', type: 'sentence_transformers.models.Dropout' };
    writeJson([...readModules(folder), entry], folder, 'modules.json');
    expect((await openModel(folder)).layout.notes).toEqual([expect.stringMatching(/Dropout .*left out/)]);
    expect(await folderVectors(folder)).toEqual(await folderVectors(fixtureFolder('bert-mean')));
    const target = join(temporaryFolder(), 'saved');
    const tv = new TextVectorisation(folder);
    await tv.save(target);
    await tv.dispose();
    expect(readModules(target).map(({ type }) => type.split('.').at(-1))).toEqual(['Transformer', 'Pooling']);
  });
});

describe('settings of sentence_bert_config.json', () => {
  const sentence = 'sentence_bert_config.json';
  const code = 'ERR_UNKNOWN_MODULE';
  test('that change no vector are passed over', async () => {
    const folder = copyFixture('bert-mean');
    setFields(
      {
        model_args: { trust_remote_code: true, attn_implementation: 'sdpa', torch_dtype: 'bfloat16' },
        tokenizer_args: { trust_remote_code: true, padding_side: 'left' },
        config_kwargs: { unpad_inputs: true, use_memory_efficient_attention: false, trust_remote_code: true },
        query_expansion: null,
      },
      folder,
      sentence,
    );
    expect(await folderVectors(folder)).toEqual(await folderVectors(fixtureFolder('bert-mean')));
  });
  refuses('bert-mean', [
    {
      title: 'that change what is computed are named',
      change: set(sentence, { config_args: { trust_remote_code: true, is_causal: false } }),
      code,
      file: sentence,
      message: /"is_causal" of "config_args" is false/,
    },
    {
      title: 'that fill queries up',
      change: set(sentence, { query_expansion: { strategy: 'fixed', length: 32 } }),
      code,
      file: sentence,
      message: /"query_expansion" is \{"strategy".*ColBERT/,
    },
    {
      title: 'of another output of the encoder',
      change: set(sentence, { modality_config: { text: { method: 'get_text_features', method_output_name: null } } }),
      code,
      file: sentence,
      message: /"modality_config" is .*"forward"/,
    },
  ]);
  test('limits of queries and of documents cut these, and are saved', async () => {
    const folder = copyFixture('bert-mean');
    setFields({ query_length: 4, document_length: 1000 }, folder, sentence);
    const text = 'the old stone bridge and the river';
    const tv = new TextVectorisation(folder);
    const target = join(temporaryFolder(), 'saved');
    try {
      expect(await tv.embedQueries(text)).toEqual(await tv.embed(text, { maxInputLength: 4 }));
      expect(await tv.embedQueries(text, { maxInputLength: 6 })).toEqual(await tv.embed(text, { maxInputLength: 6 }));
      const { positions } = await tv.info();
      expect(await tv.embedDocuments(text)).toEqual(await tv.embed(text, { maxInputLength: positions }));
      expect(await tv.embed(text)).not.toEqual(await tv.embedQueries(text));
      await tv.save(target);
    } finally {
      await tv.dispose();
    }
    expect(readJson(target, sentence)).toMatchObject({ query_length: 4, document_length: 1000 });
  });
});
