#pragma once
#include "model/architecture.h"

namespace vectune {

// One of each file of this folder; architectures.cpp lists them.
Architecture albert();
Architecture bert();
Architecture camembert();
Architecture distilbert();
Architecture electra();
Architecture gemma3_text();
Architecture gte();
Architecture modernbert();
Architecture mpnet();
Architecture nomic_bert();
Architecture qwen2();
Architecture qwen3();
Architecture roberta();
Architecture static_embedding();
Architecture xlm_roberta();

}  // namespace vectune
