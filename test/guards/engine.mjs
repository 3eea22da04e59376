/** The engine: sizes, files, locks, steps that must leave the weights alone. */
export const engine = {
  'native/engine/files/file_lock.cpp': [
    {
      guard: 'flock',
      from: 'if (errno == EWOULDBLOCK) return std::nullopt;',
      to: 'if (errno == EWOULDBLOCK) break;',
      test: 'checkpoint/failing',
      name: 'of two at the same moment one gets it',
    },
  ],

  'native/engine/model/adapter.cpp': [
    {
      guard: 'matrices of an adapter have the shape of what they change',
      from: 'if (entry.shape == shape) return;',
      to: 'if (!entry.shape.empty() || entry.shape == shape) return;',
      test: 'unit/model/adapter',
      name: 'refused: matrices of another base',
    },
  ],

  'native/engine/nn/texts.cpp': [
    {
      guard: 'offsets end at the tokens',
      from: 'if (offsets[texts] != tokens) {',
      to: 'if (offsets[texts] != tokens && tokens < 0) {',
      test: 'lifetime/arguments',
      name: 'the right types that do not fit each other',
    },
    {
      guard: 'offsets grow',
      from: 'if (may_be_empty ? offsets[text + 1] < offsets[text] : offsets[text + 1] <= offsets[text]) {',
      to: 'if (offsets[text + 1] < offsets[text] && tokens < 0) {',
      test: 'lifetime/arguments',
      name: 'the right types that do not fit each other',
    },
  ],

  'native/engine/train/dataset.cpp': [
    {
      guard: 'columns are texts',
      from: 'return column < 0 || column >= texts;',
      to: 'return column < 0 && texts < 0;',
      test: 'lifetime/arguments',
      name: 'the right types that do not fit each other',
    },
    {
      guard: 'row offsets grow',
      from: 'if (rows.offsets[row + 1] <= rows.offsets[row]) {',
      to: 'if (rows.offsets[row + 1] <= rows.offsets[row] && texts < 0) {',
      test: 'lifetime/arguments',
      name: 'the right types that do not fit each other',
    },
  ],

  'native/engine/embed/embed.cpp': [
    {
      guard: 'token ids of embed',
      from: 'if (ids[i] >= vocabulary)',
      to: 'if (ids[i] >= vocabulary && ids[i] < 0)',
      test: 'lifetime/arguments',
      name: 'the right types that do not fit each other',
    },
    {
      guard: 'length of texts of embed',
      from: 'if (offsets[t + 1] - offsets[t] > longest)',
      to: 'if (offsets[t + 1] - offsets[t] > longest && t < 0)',
      test: 'lifetime/arguments',
      name: 'the right types that do not fit each other',
    },
  ],

  'native/engine/files/safetensors.cpp': [
    {
      guard: 'header within the file',
      from: 'if (header > size - kPrefix) {',
      to: 'if (header > size - kPrefix && size < 9) {',
      test: 'unit/model/refused-weights',
      name: 'cut off in the header',
    },
    {
      guard: 'tensors within the file',
      from: 'if (static_cast<uint64_t>(range[1]) > data_bytes_) {',
      to: 'if (static_cast<uint64_t>(range[1]) > data_bytes_ && range[1] < 0) {',
      test: 'unit/model/refused-weights',
      name: 'with a tensor behind the end of the file',
    },
    {
      guard: 'tensors beside each other',
      from: 'check_tiling(entries);',
      to: '',
      test: 'unit/model/refused-weights',
      name: 'with two tensors at one place',
    },
  ],

  'native/engine/model/weights_file.cpp': [
    {
      guard: 'shape of weights',
      from: 'if (entry.shape != parameter.shape)',
      to: 'if (entry.shape != parameter.shape && entry.shape.empty())',
      test: 'unit/model/refused-weights',
      name: 'of another shape',
    },
  ],

  'native/engine/model/model.cpp': [
    {
      guard: 'weights in bf16 stay so where they are saved',
      from: 'half_ ? nullptr : data(), half_.get(), unused_, former_names_',
      to: 'data(), nullptr, unused_, former_names_',
      test: 'public/half-weights',
      name: 'save writes the file of F32',
    },
  ],

  'native/engine/train/training_layout.cpp': [
    {
      guard: 'frozen matrices stay in bf16',
      from: 'if (!half || !half->is_half(begin) ||',
      to: 'if (!half || elements > 0 ||',
      test: 'public/half-weights',
      name: 'a run in which all layers but the last are frozen',
    },
  ],

  'native/engine/train/trainer_state.cpp': [
    {
      guard: 'vocabulary of a state',
      from: 'safetensors::Dtype::kI32) != vocabulary)',
      to: 'safetensors::Dtype::kI32).empty())',
      test: 'checkpoint/refused',
      name: 'a state of as many other tokens',
    },
  ],

  'native/engine/train/checks.cpp': [
    {
      guard: 'rows of the dataset',
      from: 'if (rows[i] < 0 || rows[i] >= all)',
      to: 'if ((rows[i] < 0 || rows[i] >= all) && count < 0)',
      test: 'lifetime/arguments',
      name: 'the right types that do not fit each other',
    },
  ],

  'native/engine/train/trainer.cpp': [
    {
      guard: 'workspace is released where memory ran out',
      from: 'if (current_error().code() == ErrorCode::kOutOfMemory) backend.passes->release();',
      to: '',
      test: 'public/memory',
      name: 'under which the batch that was asked for fails in training',
    },
  ],

  'native/engine/cpu/training.cpp': [
    {
      guard: 'gradient is zeroed at each attempt',
      from: 'if (!add) std::memset(',
      to: 'if (!add && state.steps == 0) std::memset(',
      test: 'parity/adamw',
      name: 'bert-dense on cpu has the losses and updates of ten steps',
    },
    {
      guard: 'moments stand before the update',
      from: `
    reserve_moments();
    if (!std::isfinite(result.loss))`,
      to: `
    ++c_.state.steps;
    reserve_moments();
    --c_.state.steps;
    if (!std::isfinite(result.loss))`,
      test: 'checkpoint/memory',
      name: 'each of the first step in turn',
    },
    {
      guard: 'a loss that is not finite',
      from: 'if (!std::isfinite(result.loss)) throw not_finite("loss");',
      to: '',
      test: 'checkpoint/not-finite',
      name: 'a loss that is not finite',
    },
    {
      guard: 'a gradient that is not finite',
      from: 'if (!std::isfinite(norm)) throw not_finite("norm of the gradient");',
      to: '',
      test: 'checkpoint/not-finite',
      name: 'a gradient that overflows under a finite loss',
    },
  ],
};
