#include "train/gradients_file.h"

#include <cstring>
#include <vector>

#include "files/safetensors.h"
#include "runtime/arena.h"

namespace vectune {

void write_gradients(const std::string& path, const at::Tensor& gradients, const ParameterTable& table,
                     const TrainingLayout& layout, const CompactVocabulary& vocabulary) {
  const float* g = gradients.const_data_ptr<float>();
  at::Tensor words;
  std::vector<safetensors::Item> items;
  for (const auto& parameter : table.all()) {
    if (!layout.trains(parameter)) continue;
    const float* data = g + layout.gradient_at(parameter);
    if (parameter.offset == table.word_embeddings) {
      const int64_t hidden = parameter.shape[1];
      words = empty_floats(parameter.elements).zero_();
      for (int64_t i = 0; i < vocabulary.size(); ++i)
        std::memcpy(words.mutable_data_ptr<float>() + vocabulary.id(i) * hidden, data + i * hidden,
                    sizeof(float) * static_cast<size_t>(hidden));
      data = words.const_data_ptr<float>();
    }
    items.push_back({parameter.name, safetensors::Dtype::kF32, parameter.shape, data});
  }
  for (const auto& of_loss : layout.of_loss())
    items.push_back(
        {of_loss.name_in_files(), safetensors::Dtype::kF32, of_loss.parameter.shape, g + of_loss.gradient_begin});
  safetensors::write(path, items);
}

}  // namespace vectune
