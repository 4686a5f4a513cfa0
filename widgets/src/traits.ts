// The traits that Python and the browser share. Generated from Python: python -m mimviz.widgets.traits

export interface MaskPainterTraits {
  rows: number;
  cols: number;
  height: number;
  width: number;
  title: string;
  hidden: DataView;
  stroke: number;
  dragging: boolean;
  original: DataView;
  picture: DataView;
  error: DataView;
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
