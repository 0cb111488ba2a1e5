//! Reading of the trees from a saved model.

use super::{Forest, Node, Tree, key};
use crate::ubjson::Value;

/// The child of a leaf.
const NO_CHILD: i32 = -1;

impl Forest {
    /// Reads the trees of a model in UBJSON, as [`Booster::save_ubj`](crate::Booster::save_ubj)
    /// writes it.
    ///
    /// Returns `None` for a model whose predictions need more than numeric splits and a sum of
    /// leaves: one with another objective than `reg:squarederror`, several outputs, categorical
    /// splits or dropped trees. Also returns `None` for a model that is larger than any in
    /// practice, with 65,536 nodes in a tree or 32,767 features, and for other bytes.
    ///
    /// # Trust
    ///
    /// Verify a checksum before reading, as for [`Booster::load`](crate::Booster::load). Altered
    /// bytes may give other predictions, but never crash the process.
    pub fn read(model: &[u8]) -> Option<Self> {
        let learner = Value::of_document(model).field("learner")?;
        let objective = learner.at(&["objective", "name"])?.text()?;
        let booster = learner.field("gradient_booster")?;
        if (objective, booster.field("name")?.text()?) != ("reg:squarederror", "gbtree") {
            return None;
        }
        let trees = booster.field("model")?;
        // Only `dart` has weights of trees.
        if trees.field("weight_drop").is_some() {
            return None;
        }
        let parameters = learner.field("learner_model_param")?;
        let parameter = |name| parameters.field(name)?.text();
        // Models for one target say 0 classes.
        if (parameter("num_class")?, parameter("num_target")?) != ("0", "1") {
            return None;
        }
        let columns: usize = parameter("num_feature")?.parse().ok()?;
        // A node stores the position in twice the columns and one more.
        if columns == 0 || columns > usize::from(u16::MAX / 2) - 1 {
            return None;
        }
        let mut forest = Self {
            columns,
            base_score: base_score(parameter("base_score")?)?,
            trees: Vec::new(),
            nodes: Vec::new(),
        };
        for tree in trees.field("trees")?.elements()? {
            forest.add_tree(&Arrays::of(tree)?)?;
        }
        Some(forest)
    }

    /// Adds a tree. Returns `None` if the tree is not supported.
    fn add_tree(&mut self, arrays: &Arrays<'_>) -> Option<()> {
        let start = self.nodes.len();
        let count = arrays.left.len();
        let mut levels = vec![0_u32; count];
        for position in 0..count {
            let node = match arrays.left[position] {
                NO_CHILD => Node {
                    key: arrays.conditions[position].to_bits(),
                    left: u16::try_from(position.saturating_sub(1)).ok()?,
                    column: u16::try_from(self.columns * 2).ok()?,
                },
                _ => {
                    let split = arrays.split(position, self.columns)?;
                    // Children follow their parent, so their level is not overwritten.
                    let left = usize::from(split.left);
                    levels[left] = levels[position] + 1;
                    levels[left + 1] = levels[position] + 1;
                    split
                }
            };
            self.nodes.push(node);
        }
        self.trees.push(Tree {
            nodes: start..self.nodes.len(),
            depth: levels.into_iter().max()?,
        });
        Some(())
    }
}

/// The nodes of a tree in a model, as one array per property.
struct Arrays<'a> {
    left: Vec<i32>,
    right: Vec<i32>,
    columns: Vec<i32>,
    /// The threshold of a node, or the value of a leaf.
    conditions: Vec<f32>,
    /// 1 if a missing value goes left.
    default_left: &'a [u8],
}

impl<'a> Arrays<'a> {
    /// Reads the arrays. Returns `None` for a tree with several values per leaf, or with
    /// categorical splits, and for arrays of different lengths.
    fn of(tree: Value<'a>) -> Option<Self> {
        let arrays = Self {
            left: tree.field("left_children")?.integers()?,
            right: tree.field("right_children")?.integers()?,
            columns: tree.field("split_indices")?.integers()?,
            conditions: tree.field("split_conditions")?.floats()?,
            default_left: tree.field("default_left")?.bytes()?,
        };
        let values = tree.at(&["tree_param", "size_leaf_vector"])?.text()?;
        let is_numeric = |kinds: &[u8]| kinds.iter().all(|kind| *kind == 0);
        let lengths = [
            arrays.right.len(),
            arrays.columns.len(),
            arrays.conditions.len(),
            arrays.default_left.len(),
        ];
        let is_supported = matches!(values, "0" | "1")
            && is_numeric(tree.field("split_type")?.bytes()?)
            && lengths == [arrays.left.len(); 4];
        is_supported.then_some(arrays)
    }

    /// Returns a node with children.
    fn split(&self, position: usize, columns: usize) -> Option<Node> {
        let left = usize::try_from(self.left[position]).ok()?;
        let column = usize::try_from(self.columns[position]).ok()?;
        let is_supported = left > position
            && left + 1 < self.left.len()
            && self.right[position] == self.left[position] + 1
            && column < columns
            && !self.conditions[position].is_nan();
        if !is_supported {
            return None;
        }
        let is_left = self.default_left[position] != 0;
        let column = if is_left { column } else { columns + column };
        Some(Node {
            key: key(self.conditions[position]),
            left: u16::try_from(left).ok()?,
            column: u16::try_from(column).ok()?,
        })
    }
}

/// Parses the prediction of a model without trees, `[5E-1]` or, before XGBoost 3.1, `5E-1`.
fn base_score(text: &str) -> Option<f32> {
    text.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}
