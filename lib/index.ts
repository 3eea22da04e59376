/** vectune: fine-tune and run sentence-embedding models. Importing this loads neither LibTorch nor a model. */
export { TextVectorisation } from './text-vectorisation';
export type { ModelInfo } from './text-vectorisation/model-info';
export type {
  DeviceChosenEvent,
  EmbedOptions,
  LoadEvent,
  TextVectorisationOptions,
} from './text-vectorisation-options';
export type { ExportReport } from './export/export';
export type { ExportEvent } from './export/events';
export type { ExportFormat, ExportOptions, ExportPrecision } from './export/options';
export { pushFolder } from './push/push';
export type { PushReport } from './push/push';
export type { PushEvent } from './push/events';
export type { PushExample, PushFolderOptions, PushOptions } from './push/options';
export { merge } from './merge';
export type { MergeOptions } from './merge';
export { EmbeddingsEndpoint } from './embed/endpoint';
export type { EndpointOptions } from './embed/endpoint';
export { embedBatches, embedMatrix } from './embed/batches';
export type { BatchEvent, BatchModel, BatchOptions, EmbeddedBatch } from './embed/batches';
export { embedFile } from './embed/embed-file';
export type { EmbeddedFile, EmbedFileOptions, TextWithId } from './embed/embed-file';
export type { TextFormat } from './data/text-rows';
export type { VectorFormat } from './embed/vector-file/formats';
export type { Matrix } from './embed/matrix';
export { cosineSimilarity, dot, euclidean } from './embed/similarity';
export type { Vector } from './embed/similarity';
export { checkSaveTarget } from './model/save/save-target';
export { listModels } from './model/list';
export type { ListedModel } from './model/list';
export { models } from './model/presets';
export type { ModelDownloadEvent, ModelPreset, ModelWheel, WheelFile } from './model/types';
export { balance } from './data/balance';
export type { BalancedRows, BalanceOptions } from './data/balance';
export { readRows, streamRows } from './data/read';
export type { DataFormat, ReadOptions } from './data/read-options';
export type { ColumnChoice } from './data/columns';
export type { FileFacts } from './data/facts';
export type { LabelledRow, PairData, ScoredRow, TextPair } from './data/pair';
export type { DataForm } from './data/form';
export type { LabelList, TextList } from './data/lists';
export type {
  CandidatesRow,
  ClassifiedRow,
  DataSource,
  OtherRow,
  RankingRow,
  TrainingRow,
  VectorRow,
} from './data/training-row';
export type { AdamWOptions, OptimizerPreset, ResolvedAdamW } from './finetune/optimizer';
export type { EarlyStoppingOptions } from './finetune/early-stopping-options';
export type { FinetuneOptions } from './finetune/options';
export type { FinetuneEvent } from './finetune/events';
export type {
  CrossCheckEvent,
  GainNotShownEvent,
  SettingsSearchEvent,
  TrialStepEvent,
} from './finetune/events/beforehand';
export type { DeviceEvent, DeviceMemoryEvent, FinderEvent, SummaryEvent } from './finetune/events/begin';
export type {
  CheckpointDamagedEvent,
  CheckpointEvent,
  CheckpointFailedEvent,
  RestoredEvent,
} from './finetune/events/checkpoints';
export type {
  CollapseEvent,
  EarlyStopEvent,
  EpochStartEvent,
  KeepFailedEvent,
  OutOfMemoryEvent,
  PausedEvent,
  ResumedEvent,
  StepEvent,
  ValidatingEvent,
  ValidationEvent,
} from './finetune/events/course';
export type { DataEvent, DataWarningEvent, TeacherEvent } from './finetune/events/data';
export type { DoneEvent, ReportEvent, ReportFailedEvent } from './finetune/events/end';
export type { CheckpointOptions } from './finetune/checkpoint/options';
export type { Outcome } from './report/outcome';
export type { RandomPairs } from './finetune/report';
export type { Gain } from './finetune/gain';
export type { KeepOptions, KeepSource, KeptReport } from './finetune/keep';
export type { MeasureName } from './finetune/measure';
export type { PromptChoice } from './finetune/prompts';
export type { RunSettings, ToldSettings } from './finetune/recipes/settings';
export type { RecipeName } from './finetune/recipes/recipe';
export type { SettingsPoint, SettingsSearchReport, SettingsTrial } from './finetune/settings-trials';
export type { SettingsSearchOptions } from './finetune/settings-search-options';
export type { TriedShare } from './finetune/share';
export type { CheckpointReport, EpochReport, FinetuneReport, SetReport } from './finetune/report';
export type { FinetuneRun, FinetuneStatus } from './finetune/run';
export type {
  AdaptiveLayerLoss,
  LossChoice,
  LossName,
  MatryoshkaLoss,
  SumLoss,
  WeightedLoss,
} from './finetune/losses/choice';
export type { Sampler, SimpleLoss, SimpleLossName } from './finetune/losses/table';
export type { LossAndGradient, LossBatch, OwnLoss } from './finetune/own-loss';
export type { RetrievalQuality, ThresholdMetric, ValidationMetrics } from './finetune/metrics';
export type { ScheduleKind } from './finetune/schedule';
export type { DataSetOptions, DataSets, SetSource } from './finetune/sets/options';
export type { MultiDatasetSampler } from './finetune/sets/turns';
export { communityDetection } from './search/communities';
export type { CommunityOptions } from './search/communities';
export { dequantize, quantize } from './search/quantize';
export type { QuantizedBits, QuantizedPrecision, QuantizedVectors, QuantizeOptions } from './search/quantize';
export { quantizationRanges } from './search/ranges';
export type { RangesOptions } from './search/ranges';
export { truncate } from './search/truncate';
export type { TruncateOptions } from './search/truncate';
export { paraphraseMining } from './mine/paraphrases';
export type { ParaphraseOptions, ParaphrasePair } from './mine/paraphrases';
export { semanticSearch } from './search/semantic-search';
export type { SemanticSearchOptions } from './search/semantic-search';
export { VectorIndex } from './search/vector-index';
export type { ClippedEvent, IndexOptions, SearchEvent, SearchHit, SearchOptions } from './search/vector-index';
export type { QuantizationRanges, Vectors } from './search/matrix';
export type { IndexPrecision } from './search/quantizer';
export { mineHardNegatives } from './mine/hard-negatives';
export type { MinedNegatives, MinedRow } from './mine/hard-negatives';
export type { MineOptions } from './mine/options';
export type { Dropped, MineReport, ScoreStatistics } from './mine/report';
export { evaluateBinary } from './evaluate/binary';
export type { BinaryRow } from './evaluate/binary';
export type { Interval, Verdict } from './evaluate/bootstrap';
export { compare } from './evaluate/compare';
export type { ChangedRow, RowAnswer } from './evaluate/changed-rows';
export type { MeasureDifference } from './evaluate/differences';
export type {
  CompareOptions,
  Comparison,
  ModelCost,
} from './evaluate/compare';
export { evaluate } from './evaluate/evaluate';
export type { DataEvaluation, EvaluateDataOptions, Measures } from './evaluate/evaluate';
export type { RowSource } from './evaluate/collect';
export type { EvaluationTask } from './evaluate/tasks';
export type { EvaluateOptions, IntervalOptions } from './evaluate/options';
export type { ComparingEvent, EmbeddingEvent, EvaluateEvent, MeasuringEvent } from './evaluate/events';
export { evaluateClasses } from './evaluate/classes';
export type { ClassEvaluateOptions, ClassMetrics, ClassRow } from './evaluate/classes';
export type { EmbeddingModel, ModelEmbedOptions, TextRole } from './evaluate/embedding';
export type { Evaluation } from './evaluate/evaluation';
export { evaluateLabelAccuracy } from './evaluate/label-accuracy';
export type { LabelAccuracyMetrics, LabelAccuracyOptions, PairClassRow } from './evaluate/label-accuracy';
export { binaryMetrics } from './evaluate/metrics/classification';
export type { BinaryMetrics } from './evaluate/metrics/classification';
export type { Cutoffs, RetrievalMetrics } from './evaluate/metrics/ranking';
export { evaluateParaphraseMining, miningMetrics } from './evaluate/paraphrase-mining';
export type {
  MiningData,
  MiningEvaluateOptions,
  MiningEvaluation,
  MiningMetrics,
  MiningText,
} from './evaluate/paraphrase-mining';
export { evaluateReranking, rerankingMetrics } from './evaluate/reranking';
export type {
  RerankingEvaluateOptions,
  RerankingEvaluation,
  RerankingMetrics,
  RerankingSample,
} from './evaluate/reranking';
export { evaluateRetrieval, retrievalMetrics } from './evaluate/retrieval';
export type { RetrievalData, RetrievalEvaluateOptions, RetrievalEvaluation, RetrievalText } from './evaluate/retrieval';
export { pairwiseSimilarities } from './evaluate/similarities';
export type { SimilarityName } from './evaluate/similarities';
export { evaluateSimilarity, similarityMetrics } from './evaluate/similarity';
export type { SimilarityMetrics, SimilarityRow } from './evaluate/similarity';
export { evaluateTeacherAgreement } from './evaluate/teacher';
export type { TeacherMetrics, TeacherRow } from './evaluate/teacher';
export { evaluateTriplet, tripletMetrics } from './evaluate/triplet';
export type { TripletEvaluateOptions, TripletMetrics, TripletRow } from './evaluate/triplet';
export type { DeviceMemory, SearchSimilarity } from './engine/addon';
export type { NativeLoss } from './engine/training';
export type { DeviceOption } from './engine/devices';
export type { LibTorchEvent } from './libtorch/events';
export {
  AbortError,
  CheckpointError,
  DeviceError,
  DownloadError,
  FileError,
  InvalidArgumentError,
  LibTorchError,
  LossError,
  ModelError,
  NativeError,
  OutOfMemoryError,
  PushError,
  ServerError,
  StateError,
  ToolError,
  VectuneError,
} from './system/errors';
export type {
  AbortCode,
  CheckpointErrorCode,
  DeviceErrorCode,
  DownloadErrorCode,
  ErrorCode,
  ErrorDetails,
  FileErrorCode,
  InvalidArgumentCode,
  LibTorchErrorCode,
  LossErrorCode,
  ModelErrorCode,
  NativeCode,
  OutOfMemoryCode,
  PushErrorCode,
  ServerErrorCode,
  StateErrorCode,
  ToolErrorCode,
} from './system/errors';
export type {
  CommandMention,
  OptionMention,
  Setting,
  SettingsMention,
  Wording,
  WordingPart,
  WordsMention,
} from './system/wording';
