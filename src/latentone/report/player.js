// One sound at a time; a line over the spectrogram follows it, a click there moves it.
for (const sound of document.querySelectorAll(".sound")) {
  const audio = sound.querySelector("audio");
  const picture = sound.querySelector(".picture");
  const head = sound.querySelector(".head");
  const follow = () => {
    if (audio.duration) head.style.left = `${(100 * audio.currentTime) / audio.duration}%`;
    if (!audio.paused) requestAnimationFrame(follow);
  };
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
    head.style.opacity = 0.9;
    follow();
  });
  audio.addEventListener("seeked", follow);
  picture.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
    if (!audio.duration) return audio.play();
    audio.currentTime = ((event.clientX - box.left) / box.width) * audio.duration;
    audio.play();
  });
}
