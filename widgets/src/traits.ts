// The traits that Python and the browser share. Generated from Python: python -m mimviz.widgets.traits

export interface PaintedTraits {
  rows: number;
  cols: number;
  height: number;
  width: number;
  title: string;
  hidden: DataView;
  stroke: number;
  dragging: boolean;
  original: DataView;
  report: Record<string, unknown>;
  problem: Record<string, unknown>;
  strategies: string[];
  strategy: string;
  ratio: number;
  seed: number;
  draw: number;
  normalized: boolean;
  statistics: string;
  upload: DataView;
  upload_name: string;
}

export interface MaskPainterTraits extends PaintedTraits {
  picture: DataView;
  error: DataView;
}

export interface AttentionExplorerTraits {
  title: string;
  height: number;
  width: number;
  original: DataView;
  hidden: DataView;
  sides: Record<string, unknown>[];
  part: string;
  layer: number;
  query: string;
  edits: Record<string, unknown>;
  version: number;
  request: Record<string, unknown>;
  overview: DataView;
  overview_info: Record<string, unknown>;
  exact: DataView;
  exact_info: Record<string, unknown>;
  sheet: DataView;
  sheet_info: Record<string, unknown>;
  statistics: DataView;
  statistics_info: Record<string, unknown>;
  report: Record<string, unknown>;
  problem: Record<string, unknown>;
}

export interface RegisterInspectorTraits {
  title: string;
  name: string;
  other: string;
  height: number;
  width: number;
  rows: number;
  cols: number;
  depth: number;
  tokens: string[];
  prefix: number;
  original: DataView;
  layer: number;
  token: string;
  thresholds: Record<string, unknown>;
  treatment: string;
  neurons: number;
  count: number;
  defects: boolean;
  repairing: boolean;
  norms: DataView;
  modes: Record<string, unknown>;
  about: DataView;
  about_info: Record<string, unknown>;
  features: DataView;
  features_info: Record<string, unknown>;
  channels: Record<string, unknown>;
  box: number[];
  cosines: DataView;
  after: DataView;
  after_info: Record<string, unknown>;
  after_about: DataView;
  after_about_info: Record<string, unknown>;
  curve: Record<string, unknown>;
  report: Record<string, unknown>;
  problem: Record<string, unknown>;
}

export interface SaliencyComparerTraits {
  title: string;
  methods: string[];
  chosen: string[];
  classes: string[];
  targets: number[];
  subjects: Record<string, unknown>;
  originals: DataView;
  stopped: boolean;
  region: number[];
  entry: Record<string, unknown>;
  part: DataView;
  resend: number;
  report: Record<string, unknown>;
  problem: Record<string, unknown>;
}

export interface JudgeBoardTraits {
  title: string;
  methods: string[];
  judges: string[];
  about: Record<string, unknown>;
  stopped: boolean;
  selected: string[];
  known: Record<string, unknown>;
  detail: Record<string, unknown>;
  pictures_data: DataView;
  wanted: string;
  file: Record<string, unknown>;
  problem: Record<string, unknown>;
}

export interface TrainedHereTraits extends PaintedTraits {
  training: boolean;
  steps: number;
  lr: number;
  trained_on: string;
  command: Record<string, unknown>;
  curves: Record<string, unknown>;
}

export interface RecipeLabTraits extends TrainedHereTraits {
  title: string;
  said: Record<string, unknown>[];
  catalogue: Record<string, unknown>;
  forms: Record<string, unknown>[];
  panels: Record<string, unknown>[];
  pixels: DataView;
  codes: string[];
  study: string;
  query: number;
  studied: Record<string, unknown>;
  study_pixels: DataView;
}

export interface TrainingMonitorTraits {
  title: string;
  report: Record<string, unknown>;
  curves: DataView;
  frame: Record<string, unknown>;
  pictures: DataView;
  methods: string[];
  chosen: string[];
  moment: number;
  command: Record<string, unknown>;
  branching: boolean;
  problem: Record<string, unknown>;
}

export interface TargetExplorerTraits {
  title: string;
  rows: number;
  cols: number;
  height: number;
  width: number;
  names: string[];
  captions: string[];
  originals: DataView;
  sizes: number[];
  query: number[];
  shown: number;
  panels: Record<string, unknown>[];
  pixels: DataView;
  near: Record<string, unknown>[];
  readout: Record<string, unknown>;
  report: Record<string, unknown>;
  problem: Record<string, unknown>;
}

export interface DatasetGalleryTraits {
  title: string;
  columns: Record<string, unknown>[];
  filters: Record<string, unknown>;
  sort: string;
  descending: boolean;
  colour: string;
  page: number;
  size: number;
  picked: number;
  tools: string[];
  wanted: string;
  dark: boolean;
  chosen: number;
  clear: number;
  found: Record<string, unknown>;
  thumbnails: DataView;
  detail: Record<string, unknown>;
  picture: DataView;
  problem: Record<string, unknown>;
}
