// Which editor a task type is labeled with. Editors share one interface:
//   new Editor(root, task, {changed, done, say}): builds its controls; `changed()` after each change, `done(answer)` by the answer
//   open(item, draft, stage): shows an item (stage holds its media), with what was begun before
//   draft(), answer(), problem(): what to keep, what to send, and what is still wrong with it ('' for nothing)
//   undo(), redo(): whether there was anything; key(event): whether it was the editor's; keys(): [keys, what they do]
//   leave(), where it has one: its item's media are about to go. close(): ends what it listens to. `immediate` ones need no "Next": choosing is answering; answers of
//   `short` ones fit under a thumbnail.

import { ChoiceEditor } from './choice.js';
import { MultiLabelEditor } from './multilabel.js';
import { SpanEditor } from './spans.js';
import { TextEditor } from './text.js';

const EDITORS = {
  categorical: ChoiceEditor,
  ordinal: ChoiceEditor,
  pairwise: ChoiceEditor,
  multilabel: MultiLabelEditor,
  spans: SpanEditor,
  text: TextEditor,
  transcription: TextEditor,
};

export async function editorFor(task) {
  if (EDITORS[task.type]) return EDITORS[task.type];
  const { RegionEditor } = await import('/static/regions.js');
  return RegionEditor;
}
