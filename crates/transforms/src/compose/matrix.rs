//! Projective maps of the plane, in `f64`: taking pixels (x, y, 1) to pixels.

use std::ops::Mul;

use crate::plan::{H, IntegerMap, W};

/// A 3x3 matrix, row by row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Matrix(pub(crate) [f64; 9]);

impl Matrix {
    pub(crate) const IDENTITY: Self = Self([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);

    pub(crate) fn translation(x: f64, y: f64) -> Self {
        Self([1.0, 0.0, x, 0.0, 1.0, y, 0.0, 0.0, 1.0])
    }

    /// The pixels of a resized image in the original, `scale` being original over resized.
    pub(crate) fn resize(scale: [f64; 2]) -> Self {
        let [x, y] = scale;
        Self([x, 0.0, 0.5 * x - 0.5, 0.0, y, 0.5 * y - 0.5, 0.0, 0.0, 1.0])
    }

    /// An integer map that keeps axes.
    pub(crate) fn of(map: &IntegerMap) -> Self {
        let [sx, sy] = [W, H].map(|k| f64::from(map.sign[k]));
        let [x, y] = [W, H].map(|k| f64::from(map.offset[k]));
        Self([sx, 0.0, x, 0.0, sy, y, 0.0, 0.0, 1.0])
    }

    pub(crate) fn is_affine(&self) -> bool {
        self.0[6] == 0.0 && self.0[7] == 0.0
    }

    /// A map of coordinates about the middle of an image of `width` x `height` as one of its
    /// pixels.
    pub(crate) fn about_middle(self, width: i32, height: i32) -> Self {
        let (x, y) = (f64::from(width - 1) / 2.0, f64::from(height - 1) / 2.0);
        Self::translation(x, y) * self * Self::translation(-x, -y)
    }

    /// The matrix with its last entry 1 or -1 where it can be, as a plan holds it. Its sign stays:
    /// it tells what is in front of the horizon.
    pub(crate) fn scaled(self) -> [f64; 9] {
        let last = if self.0[8] == 0.0 { 1.0 } else { self.0[8].abs() };
        self.0.map(|entry| entry / last)
    }

    /// The inverse map; `None` where the map is not one to one.
    pub(crate) fn inverse(&self) -> Option<Self> {
        let [a, b, c, d, e, f, g, h, i] = self.0;
        let adjugate = [
            e * i - f * h,
            c * h - b * i,
            b * f - c * e,
            f * g - d * i,
            a * i - c * g,
            c * d - a * f,
            d * h - e * g,
            b * g - a * h,
            a * e - b * d,
        ];
        let determinant = a * adjugate[0] + b * adjugate[3] + c * adjugate[6];
        (determinant != 0.0).then(|| Self(adjugate.map(|entry| entry / determinant)))
    }

    /// Where (x, y) goes; `None` beyond the horizon.
    pub(crate) fn apply(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        let row = |r: usize| self.0[3 * r] * x + self.0[3 * r + 1] * y + self.0[3 * r + 2];
        let w = row(2);
        (w > 0.0).then(|| (row(0) / w, row(1) / w))
    }

    /// The map that takes each of `from` to its partner in `to`; `None` where three lie in line.
    ///
    /// The eight unknowns of a homography from four pairs, by elimination with pivots.
    pub(crate) fn homography(from: [[f64; 2]; 4], to: [[f64; 2]; 4]) -> Option<Self> {
        let mut rows = [[0.0; 9]; 8];
        for (i, ([x, y], [u, v])) in from.into_iter().zip(to).enumerate() {
            rows[2 * i] = [x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u];
            rows[2 * i + 1] = [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v];
        }
        for column in 0..8 {
            let pivot = (column..8)
                .max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))?;
            rows.swap(column, pivot);
            let lead = rows[column];
            if lead[column].abs() < 1e-12 {
                return None;
            }
            for (r, row) in rows.iter_mut().enumerate() {
                if r != column {
                    let factor = row[column] / lead[column];
                    (0..9).for_each(|k| row[k] -= factor * lead[k]);
                }
            }
        }
        let mut entries = [1.0; 9];
        (0..8).for_each(|i| entries[i] = rows[i][8] / rows[i][i]);
        Some(Self(entries))
    }
}

impl Mul for Matrix {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let mut product = [0.0; 9];
        for (at, entry) in product.iter_mut().enumerate() {
            let (r, c) = (at / 3, at % 3);
            *entry = (0..3).map(|k| self.0[3 * r + k] * other.0[3 * k + c]).sum();
        }
        Self(product)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_homography_takes_its_points_to_their_partners() {
        let from = [[0.0, 0.0], [10.0, 1.0], [9.0, 12.0], [-1.0, 8.0]];
        let to = [[2.0, 1.0], [7.0, 0.0], [8.0, 9.0], [0.0, 10.0]];
        let map = Matrix::homography(from, to).unwrap();
        for (p, q) in from.into_iter().zip(to) {
            let (x, y) = map.apply(p[0], p[1]).unwrap();
            assert!((x - q[0]).abs() < 1e-9 && (y - q[1]).abs() < 1e-9);
        }
        assert!(Matrix::homography([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], to).is_none());
    }

    #[test]
    fn a_matrix_times_its_inverse_is_the_identity() {
        let map = Matrix([2.0, 0.5, 3.0, -0.25, 1.5, 1.0, 0.01, 0.02, 1.0]);
        let product = map * map.inverse().unwrap();
        assert!(product.0.iter().zip(Matrix::IDENTITY.0).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}
